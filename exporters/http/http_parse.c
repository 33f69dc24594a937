/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "utf8.h"

#define MAX_METHOD_LEN 32

static int refuse(struct http_refused *out, unsigned int status, enum http_refusal why, const char *text)
{
	out->status = status;
	out->why = why;
	out->text = text;
	return -EBADMSG;
}

static int malformed(struct http_refused *out, const char *text)
{
	return refuse(out, 400, HTTP_REFUSED_MALFORMED, text);
}

/* Source: RFC 9110, 5.6.2 */
static bool is_token_char(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int hex(unsigned char c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/*
 * One line without its end. @at moves behind it.
 * Return: 1; 0 if its end has not come yet; -EBADMSG for a line end or a control character that is none.
 */
static int next_line(const char *bytes, size_t len, size_t *at, size_t *line_len, struct http_refused *refused)
{
	for (size_t i = *at; i < len; i++) {
		unsigned char c = bytes[i];

		if (c == '\r') {
			if (i + 1 == len)
				return 0;
			if (bytes[i + 1] != '\n')
				return malformed(refused, "a CR stands alone");
			*line_len = i - *at;
			*at = i + 2;
			return 1;
		}
		if (c == '\n')
			return malformed(refused, "a line ends without CR");
		if ((c < 0x20 && c != '\t') || c > 0x7e)
			return malformed(refused, "a byte is not printable ASCII");
	}
	return 0;
}

/* Percent escapes must be whole, and may not hide a control character. */
static bool escapes_are_good(const char *s)
{
	for (; *s; s++) {
		int c;

		if (*s != '%')
			continue;
		if (hex(s[1]) < 0 || hex(s[2]) < 0)
			return false;
		c = hex(s[1]) << 4 | hex(s[2]);
		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static bool has_dot_segment(const char *path)
{
	for (const char *s = path; (s = strchr(s, '/')); ) {
		size_t len;

		s++;
		len = strcspn(s, "/");
		if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
			return true;
	}
	return false;
}

/* In place; '+' is a space. */
static void decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			*to++ = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

static bool is_clean_utf8(const char *s)
{
	size_t left = strlen(s), n;
	uint32_t cp;

	for (; left; s += n, left -= n) {
		n = utf8__decode(s, left, &cp);
		if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return false;
	}
	return true;
}

static int parse_query(struct http_head *head, char *query, struct http_refused *refused)
{
	char *pair, *rest = query;

	while ((pair = strsep(&rest, "&"))) {
		char *value = pair, *key;
		size_t i;

		if (!*pair)
			continue;
		key = strsep(&value, "=");
		if (!value)
			value = key + strlen(key);
		decode(key);
		if (value != key)
			decode(value);
		if (!*key || !is_clean_utf8(key) || !is_clean_utf8(value))
			return refuse(refused, 400, HTTP_REFUSED_QUERY, "a query parameter is not UTF-8 text");
		for (i = 0; i < head->nr_params; i++)
			if (!strcmp(head->params[i].key, key))
				return refuse(refused, 400, HTTP_REFUSED_QUERY, "a query parameter is there twice");
		if (head->nr_params == HTTP_MAX_PARAMS)
			return refuse(refused, 400, HTTP_REFUSED_QUERY, "too many query parameters");
		head->params[head->nr_params++] = (struct http_param){ key, value };
	}
	return 0;
}

static int parse_request_line(struct http_head *head, char *line, const struct http_limits *limits,
			      struct http_refused *refused)
{
	char *target = strchr(line, ' '), *version, *query;
	const char *c;

	if (!target)
		return malformed(refused, "the request line is not METHOD TARGET VERSION");
	*target++ = '\0';
	for (c = line; is_token_char(*c); c++)
		;
	if (c == line || *c || c - line > MAX_METHOD_LEN)
		return malformed(refused, "the method is not a word");
	version = strchr(target, ' ');
	if (!version)
		return malformed(refused, "the request line has no HTTP version");
	*version++ = '\0';

	if (!strcmp(version, "HTTP/1.0"))
		head->is_http10 = true;
	else if (!strncmp(version, "HTTP/", 5) && isdigit((unsigned char)version[5]) && version[6] == '.' &&
		 isdigit((unsigned char)version[7]) && !version[8] && version[5] != '1')
		return refuse(refused, 505, HTTP_REFUSED_MALFORMED, "only versions 1.0 and 1.1 are spoken here");
	else if (strcmp(version, "HTTP/1.1"))
		return malformed(refused, "the request line has no HTTP version");

	if (strlen(target) > limits->max_target_len)
		return refuse(refused, 414, HTTP_REFUSED_TOO_LONG, "the request target is too long");
	if (strchr(target, '\t'))
		return malformed(refused, "the request target has a tab");
	/* Case matters in methods. */
	head->is_head = refused->is_head = !strcmp(line, "HEAD");
	if (!head->is_head && strcmp(line, "GET"))
		return refuse(refused, 405, HTTP_REFUSED_METHOD, "only GET and HEAD are answered");
	if (target[0] != '/')
		return malformed(refused, "the request target is not a path");

	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	if (strpbrk(target, "#\\\"<>^`{|}") || !escapes_are_good(target) || has_dot_segment(target))
		return malformed(refused, "the path has something that no path here has");
	head->path = target;
	if (!query)
		return 0;
	if (strchr(query, '#') || !escapes_are_good(query))
		return refuse(refused, 400, HTTP_REFUSED_QUERY, "the query is malformed");
	return parse_query(head, query, refused);
}

static int parse_field(struct http_head *head, char *line, struct http_refused *refused)
{
	char *colon, *end;
	const char *c;

	if (line[0] == ' ' || line[0] == '\t')
		return malformed(refused, "a header goes on in a second line");
	for (c = line; is_token_char(*c); c++)
		;
	if (c == line || *c != ':')
		return malformed(refused, "a header is not NAME: VALUE");
	colon = line + (c - line);
	*colon++ = '\0';
	colon += strspn(colon, " \t");
	for (end = colon + strlen(colon); end > colon && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = '\0';
	if (head->nr_fields == HTTP_MAX_FIELDS)
		return refuse(refused, 431, HTTP_REFUSED_TOO_LONG, "too many headers");
	head->fields[head->nr_fields++] = (struct http_param){ line, colon };
	return 0;
}

/* host, host:port, [v6], [v6]:port; only the characters are checked */
static bool is_host(const char *host)
{
	size_t len = *host == '[' ? 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") :
		     strspn(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._");

	if (*host == '[') {
		if (len < 2 || host[len] != ']')
			return false;
		len++;
	}
	if (!len)
		return false;
	if (!host[len])
		return true;
	host += len;
	len = strspn(host + 1, "0123456789");
	return *host == ':' && len <= 5 && !host[1 + len];
}

/* The headers that say where a request ends or to whom it goes: once, and plain. */
static int check_fields(struct http_head *head, struct http_refused *refused)
{
	bool has_length = false, has_auth = false;
	size_t i;

	/* First: beside it a Content-Length says nothing. */
	if (http_head__field(head, "Transfer-Encoding"))
		return refuse(refused, 400, HTTP_REFUSED_BODY, "a request here has no body, so no coding of it");

	for (i = 0; i < head->nr_fields; i++) {
		const char *name = head->fields[i].key;
		char *value = head->fields[i].value;

		if (!strcasecmp(name, "Host")) {
			if (head->host)
				return malformed(refused, "Host is there twice");
			if (!is_host(value))
				return malformed(refused, "Host is not a host name");
			head->host = value;
		} else if (!strcasecmp(name, "Content-Length")) {
			if (has_length)
				return malformed(refused, "Content-Length is there twice");
			has_length = true;
			if (!*value || value[strspn(value, "0123456789")])
				return malformed(refused, "Content-Length is not a number");
			if (value[strspn(value, "0")])
				return refuse(refused, 413, HTTP_REFUSED_BODY, "a request here has no body");
		} else if (!strcasecmp(name, "Expect")) {
			return refuse(refused, 417, HTTP_REFUSED_BODY, "nothing is expected here");
		} else if (!strcasecmp(name, "Authorization")) {
			if (has_auth)
				return malformed(refused, "Authorization is there twice");
			has_auth = true;
		}
	}
	if (!head->host && !head->is_http10)
		return malformed(refused, "Host is missing");
	return 0;
}

static int parse(struct http_head *head, size_t len, const struct http_limits *limits, struct http_refused *refused)
{
	size_t at = 0, start = 0, line_len;
	int err;

	for (;;) {
		char *line = head->bytes + start;

		err = next_line(head->bytes, len, &at, &line_len, refused);
		if (err < 0)
			return err;
		if (!err && start + limits->max_target_len + MAX_METHOD_LEN + strlen("  HTTP/1.1") < len && !start)
			return refuse(refused, 414, HTTP_REFUSED_TOO_LONG, "the request line is too long");
		if (!err && len >= limits->max_header_len)
			return refuse(refused, 431, HTTP_REFUSED_TOO_LONG, "the header is too long");
		if (!err)
			return 0;
		if (start && !line_len)
			break; /* the empty line */
		line[line_len] = '\0';
		err = start ? parse_field(head, line, refused) : parse_request_line(head, line, limits, refused);
		if (err)
			return err;
		start = at;
	}
	if (at > limits->max_header_len)
		return refuse(refused, 431, HTTP_REFUSED_TOO_LONG, "the header is too long");
	err = check_fields(head, refused);
	if (!err && at < len)
		return malformed(refused, "there is more behind the header");
	return err ? err : 1;
}

int http_parse__head(const char *bytes, size_t len, const struct http_limits *limits, struct http_head *head,
		     struct http_refused *refused)
{
	int err;

	memset(head, 0, sizeof(*head));
	memset(refused, 0, sizeof(*refused));
	if (!len)
		return 0;
	head->bytes = malloc(len);
	if (!head->bytes)
		return -ENOMEM;
	memcpy(head->bytes, bytes, len);
	err = parse(head, len, limits, refused);
	if (err != 1)
		http_head__free(head);
	return err;
}

void http_head__free(struct http_head *head)
{
	const char *auth = http_head__field(head, "Authorization");

	if (auth)
		explicit_bzero((char *)auth, strlen(auth));
	free(head->bytes);
	memset(head, 0, sizeof(*head));
}

const char *http_head__field(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->nr_fields; i++)
		if (!strcasecmp(head->fields[i].key, name))
			return head->fields[i].value;
	return NULL;
}

/* 127.0.0.0/8 in its four-part decimal form, and nothing that only looks like it ("127.0.0.1.example.org") */
static bool is_loopback_v4(const char *host, size_t len)
{
	char text[16];
	int nr = 0;
	char *s = text;

	if (len >= sizeof(text) || strncmp(host, "127.", 4))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	for (char *part; (part = strsep(&s, ".")); nr++)
		if (!*part || strlen(part) > 3 || part[strspn(part, "0123456789")] || atoi(part) > 255)
			return false;
	return nr == 4;
}

bool http_parse__is_local_name(const char *host, char *const *names, size_t nr_names)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (len == strlen("[::1]") && !strncmp(host, "[::1]", len))
		return true;
	if (len == strlen("localhost") && !strncasecmp(host, "localhost", len))
		return true;
	for (size_t i = 0; i < nr_names; i++)
		if (strlen(names[i]) == len && !strncasecmp(host, names[i], len))
			return true;
	return is_loopback_v4(host, len);
}

bool http_parse__accepts_gzip(const char *value)
{
	while (value && *value) {
		size_t len, name_len;
		const char *q;

		value += strspn(value, ", \t");
		len = strcspn(value, ",");
		name_len = strcspn(value, ",; \t");
		if ((name_len == 4 && !strncasecmp(value, "gzip", 4)) || (name_len == 1 && *value == '*')) {
			/* Only "q=0", "q=0.0" and so on say no. */
			q = memmem(value, len, "q=", 2);
			return !q || strspn(q + 2, "0.") < strcspn(q + 2, ",; \t");
		}
		value += len;
	}
	return false;
}
