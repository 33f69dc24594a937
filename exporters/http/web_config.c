/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "web_config.h"

#include <crypt.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <yaml.h>

#include "log.h"

#define MAX_FILES      4 /* the configuration, certificate, key, CA */
#define MAX_USERS      1000
#define MAX_BCRYPT_LOG 16 /* 2^16 rounds: about 7 s */

/* What a user that does not exist is compared with: the hash of a random word that nobody kept. */
static const char no_user_hash[] = "$2b$10$l8wAAXEnnCGfQXKLQ/wrPerZh0M6LcJWqNklUYJusWdPuuvIa/8Yi";

struct file_stamp {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct pairs {
	struct web_config_pair *at;
	size_t nr;
};

struct web_config {
	_Atomic unsigned int refs;
	struct file_stamp files[MAX_FILES];
	size_t nr_files;
	bool has_tls, needs_client_cert, is_tls13;
	char *cert, *key, *ca; /* paths */
	gnutls_certificate_credentials_t creds;
	gnutls_priority_t priority;
	struct pairs users, headers;
};

/* Where we are in the file, for messages. */
struct reader {
	const char *path;
	yaml_document_t *doc;
	struct web_config *cfg;
};

static int bad(const struct reader *r, const yaml_node_t *node, const char *what, const char *name)
{
	log_err("web config: %s:%zu: %s%s%s", r->path, node ? node->start_mark.line + 1 : 1, what, *name ? ": " : "",
		name);
	return -EINVAL;
}

/* The text of a node; NULL if it is no scalar, is empty, or has a NUL inside. */
static const char *scalar(const yaml_node_t *node)
{
	const char *text;

	if (!node || node->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)node->data.scalar.value;
	return *text && strlen(text) == node->data.scalar.length ? text : NULL;
}

/* Calls @each for every key of a mapping. An empty node is an empty mapping, as "headers:" alone. */
static int each_key(const struct reader *r, yaml_node_t *map,
		    int (*each)(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value))
{
	yaml_node_pair_t *p, *q;
	int err;

	if (map->type == YAML_SCALAR_NODE && !map->data.scalar.length)
		return 0;
	if (map->type != YAML_MAPPING_NODE)
		return bad(r, map, "a mapping of keys to values is expected here", "");

	for (p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(r->doc, p->value);
		const char *name = scalar(key);

		if (!name || !value)
			return bad(r, key, "a key must be a word", "");
		for (q = map->data.mapping.pairs.start; q < p; q++)
			if (!strcmp(name, scalar(yaml_document_get_node(r->doc, q->key))))
				return bad(r, key, "key is there twice", name);
		err = each(r, key, name, value);
		if (err)
			return err;
	}
	return 0;
}

static int unknown_key(const struct reader *r, yaml_node_t *key, const char *name)
{
	bad(r, key, "unknown key", name);
	log_hint("supported: tls_server_config (cert_file, key_file, client_auth_type, client_ca_file, min_version), "
		 "basic_auth_users, http_server_config (headers)");
	return -EINVAL;
}

static int add_pair(struct pairs *pairs, const char *name, const char *value)
{
	struct web_config_pair *at = reallocarray(pairs->at, pairs->nr + 1, sizeof(*at));
	struct web_config_pair pair = { .name = strdup(name), .value = strdup(value) };

	if (at)
		pairs->at = at;
	if (!at || !pair.name || !pair.value) {
		free((char *)pair.name);
		free((char *)pair.value);
		return -ENOMEM;
	}
	pairs->at[pairs->nr++] = pair;
	return 0;
}

static void free_pairs(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->nr; i++) {
		free((char *)pairs->at[i].name);
		free((char *)pairs->at[i].value);
	}
	free(pairs->at);
}

/* A path of the file counts from the folder of the file. */
static int set_path(const struct reader *r, char **out, const char *value)
{
	const char *slash = strrchr(r->path, '/');
	char *path;

	if (value[0] == '/' || !slash)
		path = strdup(value);
	else if (asprintf(&path, "%.*s/%s", (int)(slash - r->path), r->path, value) < 0)
		path = NULL;
	if (!path)
		return -ENOMEM;
	*out = path;
	return 0;
}

static int tls_key(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value)
{
	const char *text = scalar(value);
	struct web_config *cfg = r->cfg;

	cfg->has_tls = true;
	if (strcmp(name, "cert_file") && strcmp(name, "key_file") && strcmp(name, "client_ca_file") &&
	    strcmp(name, "client_auth_type") && strcmp(name, "min_version"))
		return unknown_key(r, key, name);
	if (!text)
		return bad(r, value, "a word is expected here", name);

	if (!strcmp(name, "cert_file"))
		return set_path(r, &cfg->cert, text);
	if (!strcmp(name, "key_file"))
		return set_path(r, &cfg->key, text);
	if (!strcmp(name, "client_ca_file"))
		return set_path(r, &cfg->ca, text);
	if (!strcmp(name, "client_auth_type")) {
		cfg->needs_client_cert = !strcmp(text, "RequireAndVerifyClientCert");
		if (!cfg->needs_client_cert && strcmp(text, "NoClientCert"))
			return bad(r, value, "client_auth_type is NoClientCert or RequireAndVerifyClientCert, not", text);
		return 0;
	}
	cfg->is_tls13 = !strcmp(text, "TLS13");
	if (!cfg->is_tls13 && strcmp(text, "TLS12"))
		return bad(r, value, "min_version is TLS12 or TLS13, not", text);
	return 0;
}

static bool is_bcrypt(const char *hash)
{
	static const char digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	int cost;

	if (strlen(hash) != 60 || hash[0] != '$' || hash[1] != '2' || !strchr("aby", hash[2]) || hash[3] != '$' ||
	    hash[6] != '$' || strspn(hash + 4, "0123456789") != 2 || strspn(hash + 7, digits) != 53)
		return false;
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	return cost >= 4 && cost <= MAX_BCRYPT_LOG;
}

static int user_key(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value)
{
	const char *hash = scalar(value);

	if (strchr(name, ':'))
		return bad(r, key, "a user name cannot have a ':'", name);
	if (r->cfg->users.nr >= MAX_USERS)
		return bad(r, key, "too many users", name);
	if (!hash || !is_bcrypt(hash)) {
		bad(r, value, "the password of this user is not a bcrypt hash of cost 4 to 16", name);
		log_hint("make one with: htpasswd -nBC 10 '' | tr -d ':\\n'");
		return -EINVAL;
	}
	return add_pair(&r->cfg->users, name, hash);
}

static int header_key(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value)
{
	static const struct {
		const char *name;
		const char *values[3]; /* none: any */
	} known[] = {
		{ "Strict-Transport-Security", { 0 } },
		{ "X-Content-Type-Options", { "nosniff" } },
		{ "X-Frame-Options", { "deny", "sameorigin" } },
		{ "X-XSS-Protection", { 0 } },
		{ "Content-Security-Policy", { 0 } },
	};
	const char *text = scalar(value);
	size_t i, j;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(name, known[i].name))
			break;
	if (i == sizeof(known) / sizeof(known[0])) {
		bad(r, key, "header cannot be set", name);
		log_hint("possible: Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
			 "X-XSS-Protection, Content-Security-Policy");
		return -EINVAL;
	}
	if (!text)
		return bad(r, value, "a word is expected here", name);
	for (j = 0; text[j]; j++)
		if ((unsigned char)text[j] < 0x20 || (unsigned char)text[j] > 0x7e)
			return bad(r, value, "a header's value is printable ASCII", name);
	for (j = 0; known[i].values[j]; j++)
		if (!strcasecmp(text, known[i].values[j]))
			break;
	if (known[i].values[0] && !known[i].values[j])
		return bad(r, value, "this header cannot have this value", text);
	if (!strcasecmp(name, "X-Content-Type-Options"))
		return 0; /* it is on every answer anyhow */
	return add_pair(&r->cfg->headers, known[i].name, text);
}

static int server_key(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value)
{
	if (strcmp(name, "headers"))
		return unknown_key(r, key, name);
	return each_key(r, value, header_key);
}

static int top_key(const struct reader *r, yaml_node_t *key, const char *name, yaml_node_t *value)
{
	int err;

	if (!strcmp(name, "basic_auth_users"))
		return each_key(r, value, user_key);
	if (!strcmp(name, "http_server_config"))
		return each_key(r, value, server_key);
	if (strcmp(name, "tls_server_config"))
		return unknown_key(r, key, name);

	err = each_key(r, value, tls_key);
	if (err || !r->cfg->has_tls)
		return err;
	if (!r->cfg->cert || !r->cfg->key)
		return bad(r, key, "tls_server_config needs both cert_file and key_file", "");
	if (r->cfg->needs_client_cert && !r->cfg->ca)
		return bad(r, key, "RequireAndVerifyClientCert needs client_ca_file", "");
	if (!r->cfg->needs_client_cert && r->cfg->ca)
		return bad(r, key, "client_ca_file needs client_auth_type: RequireAndVerifyClientCert", "");
	return 0;
}

static void stamp(struct file_stamp *out, const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st))
		memset(&st, 0, sizeof(st));
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->mtime = st.st_mtim;
}

/* Before the file is read: what is written in between makes it stale at once. */
static int watch(struct web_config *cfg, const char *path)
{
	struct file_stamp *file = &cfg->files[cfg->nr_files];

	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	stamp(file, path);
	cfg->nr_files++;
	return 0;
}

static int load_tls(struct web_config *cfg)
{
	int err, ret;

	err = watch(cfg, cfg->cert);
	if (!err)
		err = watch(cfg, cfg->key);
	if (!err && cfg->ca)
		err = watch(cfg, cfg->ca);
	if (err)
		return err;

	if (gnutls_certificate_allocate_credentials(&cfg->creds) < 0)
		return -ENOMEM;
	ret = gnutls_certificate_set_x509_key_file(cfg->creds, cfg->cert, cfg->key, GNUTLS_X509_FMT_PEM);
	if (ret < 0) {
		log_err("web config: %s: the certificate or its key %s cannot be used: %s", cfg->cert, cfg->key,
			gnutls_strerror(ret));
		log_hint("both are PEM files that this user can read, and belong to each other");
		return -EINVAL;
	}
	if (cfg->ca) {
		ret = gnutls_certificate_set_x509_trust_file(cfg->creds, cfg->ca, GNUTLS_X509_FMT_PEM);
		if (ret <= 0) {
			log_err("web config: %s: no CA certificate can be read: %s", cfg->ca,
				ret ? gnutls_strerror(ret) : "there is none");
			return -EINVAL;
		}
	}
	ret = gnutls_priority_init(&cfg->priority,
				   cfg->is_tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
						 : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
				   NULL);
	return ret == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ret < 0 ? -EINVAL : 0;
}

static int read_document(struct web_config *cfg, const char *path, FILE *f)
{
	struct reader r = { .path = path, .cfg = cfg };
	yaml_document_t doc, more;
	yaml_parser_t parser;
	yaml_node_t *root;
	int err;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_file(&parser, f);
	if (!yaml_parser_load(&parser, &doc)) {
		log_err("web config: %s:%zu: not YAML: %s", path, parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "cannot be read");
		yaml_parser_delete(&parser);
		return -EINVAL;
	}
	r.doc = &doc;
	root = yaml_document_get_root_node(&doc);
	err = root ? each_key(&r, root, top_key) : 0; /* an empty file asks for nothing */
	if (!err && root) {
		if (!yaml_parser_load(&parser, &more)) {
			err = bad(&r, NULL, "not YAML after the first document", "");
		} else {
			if (yaml_document_get_root_node(&more))
				err = bad(&r, yaml_document_get_root_node(&more), "only one document is read", "");
			yaml_document_delete(&more);
		}
	}
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return err;
}

int web_config__load(struct web_config **out, const char *path)
{
	struct web_config *cfg;
	FILE *f = NULL;
	int err;

	cfg = calloc(1, sizeof(*cfg));
	if (!cfg)
		return -ENOMEM;
	cfg->refs = 1;

	err = watch(cfg, path);
	if (err)
		goto err_free;
	f = fopen(path, "re");
	if (!f) {
		err = -errno;
		log_err("web config: %s: %s", path, strerror(-err));
		goto err_free;
	}
	err = read_document(cfg, path, f);
	if (!err && cfg->has_tls)
		err = load_tls(cfg);
	if (err)
		goto err_free;

	fclose(f);
	*out = cfg;
	return 0;

err_free:
	if (f)
		fclose(f);
	web_config__free(cfg);
	return err;
}

struct web_config *web_config__ref(struct web_config *cfg)
{
	if (cfg)
		atomic_fetch_add(&cfg->refs, 1);
	return cfg;
}

void web_config__free(struct web_config *cfg)
{
	if (!cfg || atomic_fetch_sub(&cfg->refs, 1) != 1)
		return;
	if (cfg->creds)
		gnutls_certificate_free_credentials(cfg->creds);
	if (cfg->priority)
		gnutls_priority_deinit(cfg->priority);
	for (size_t i = 0; i < cfg->nr_files; i++)
		free(cfg->files[i].path);
	free(cfg->cert);
	free(cfg->key);
	free(cfg->ca);
	free_pairs(&cfg->users);
	free_pairs(&cfg->headers);
	free(cfg);
}

bool web_config__is_stale(const struct web_config *cfg)
{
	for (size_t i = 0; i < cfg->nr_files; i++) {
		const struct file_stamp *was = &cfg->files[i];
		struct file_stamp is;

		stamp(&is, was->path);
		if (is.dev != was->dev || is.ino != was->ino || is.size != was->size ||
		    is.mtime.tv_sec != was->mtime.tv_sec || is.mtime.tv_nsec != was->mtime.tv_nsec)
			return true;
	}
	return false;
}

gnutls_certificate_credentials_t web_config__creds(const struct web_config *cfg)
{
	return cfg->creds;
}

gnutls_priority_t web_config__priority(const struct web_config *cfg)
{
	return cfg->priority;
}

bool web_config__needs_client_cert(const struct web_config *cfg)
{
	return cfg->needs_client_cert;
}

const struct web_config_pair *web_config__users(const struct web_config *cfg, size_t *nr)
{
	*nr = cfg->users.nr;
	return cfg->users.at;
}

const struct web_config_pair *web_config__headers(const struct web_config *cfg, size_t *nr)
{
	*nr = cfg->headers.nr;
	return cfg->headers.at;
}

int web_config__check_password(const struct web_config *cfg, const char *user, const char *password)
{
	const char *hash = no_user_hash, *made;
	struct crypt_data *data;
	unsigned char differ;
	size_t i, len;

	for (i = 0; i < cfg->users.nr; i++)
		if (!strcmp(cfg->users.at[i].name, user))
			hash = cfg->users.at[i].value;

	data = calloc(1, sizeof(*data)); /* 32 KiB: too much for a small stack */
	if (!data)
		return -ENOMEM;
	made = crypt_r(password, hash, data);
	len = strlen(hash);
	differ = !made || strlen(made) != len || hash == no_user_hash;
	for (i = 0; made && strlen(made) == len && i < len; i++)
		differ |= made[i] ^ hash[i];
	explicit_bzero(data, sizeof(*data));
	free(data);
	return differ ? -EACCES : 0;
}
