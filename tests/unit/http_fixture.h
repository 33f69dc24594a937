/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_HTTP_FIXTURE_H
#define UNIT_HTTP_FIXTURE_H

/* http_fixture - clients made of raw sockets, certificates and a folder for them. cmocka comes first. */

#include <arpa/inet.h>
#include <dirent.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static inline uint64_t clock_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A connection from @from (an address of 127.0.0.0/8, or NULL) to 127.0.0.1. Return: its fd. */
static inline int client_open(unsigned int port, const char *from)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) }, me = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = DEADLINE_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &me.sin_addr), 1);
		assert_return_code(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Everything until the server closes; a reset is an end, too. The caller frees it; it has a NUL behind it. */
static inline char *client_read(int fd, size_t *out_len)
{
	size_t len = 0, room = 4096;
	char *text = malloc(room);
	ssize_t n;

	assert_non_null(text);
	for (;;) {
		if (len + 1 == room)
			text = realloc(text, room *= 2);
		assert_non_null(text);
		n = recv(fd, text + len, room - len - 1, 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			fail_msg("the server did not close in time");
		if (n <= 0)
			break;
		len += n;
	}
	text[len] = '\0';
	if (out_len)
		*out_len = len;
	return text;
}

static inline void client_send(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the server may have closed already: its right */
		bytes += n;
		len -= n;
	}
}

/* Is the connection closed by the server within @ms? */
static inline bool client_is_closed(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

/* --- certificates --- */

struct tls_files {
	char dir[32];
	char ca[64], cert[64], key[64], client_cert[64], client_key[64];
};

static inline void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void write_text(const char *path, const char *text)
{
	write_file(path, text, strlen(text));
}

/* An EC key and a certificate for it, signed by @ca_crt and @ca_key or, without them, by itself. */
static inline void make_cert(const char *name, gnutls_x509_crt_t ca_crt, gnutls_x509_privkey_t ca_key,
			     const char *purpose, const char *cert_path, const char *key_path,
			     gnutls_x509_crt_t *out_crt, gnutls_x509_privkey_t *out_key)
{
	static unsigned char serial;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem;
	time_t now = time(NULL);

	serial++;
	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
						      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, &serial, 1);
	gnutls_x509_crt_set_activation_time(crt, now - 3600);
	gnutls_x509_crt_set_expiration_time(crt, now + 86400);
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, strlen(name));
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, strlen(name), GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_basic_constraints(crt, !ca_crt, -1);
	if (purpose)
		gnutls_x509_crt_set_key_purpose_oid(crt, purpose, 0);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, ca_crt ? ca_crt : crt, ca_key ? ca_key : key, GNUTLS_DIG_SHA256, 0), 0);

	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
	write_file(cert_path, pem.data, pem.size);
	gnutls_free(pem.data);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
	write_file(key_path, pem.data, pem.size);
	gnutls_free(pem.data);
	if (out_crt) {
		*out_crt = crt;
		*out_key = key;
		return;
	}
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

static inline void tls_files_make(struct tls_files *files)
{
	gnutls_x509_privkey_t ca_key;
	gnutls_x509_crt_t ca_crt;
	char unused[64];

	strcpy(files->dir, "/tmp/ukprof-unit-XXXXXX");
	assert_non_null(mkdtemp(files->dir));
	snprintf(files->ca, sizeof(files->ca), "%s/ca.crt", files->dir);
	snprintf(files->cert, sizeof(files->cert), "%s/server.crt", files->dir);
	snprintf(files->key, sizeof(files->key), "%s/server.key", files->dir);
	snprintf(files->client_cert, sizeof(files->client_cert), "%s/client.crt", files->dir);
	snprintf(files->client_key, sizeof(files->client_key), "%s/client.key", files->dir);
	snprintf(unused, sizeof(unused), "%s/ca.key", files->dir);
	make_cert("test CA", NULL, NULL, NULL, files->ca, unused, &ca_crt, &ca_key);
	make_cert("localhost", ca_crt, ca_key, GNUTLS_KP_TLS_WWW_SERVER, files->cert, files->key, NULL, NULL);
	make_cert("client", ca_crt, ca_key, GNUTLS_KP_TLS_WWW_CLIENT, files->client_cert, files->client_key, NULL, NULL);
	gnutls_x509_crt_deinit(ca_crt);
	gnutls_x509_privkey_deinit(ca_key);
}

static inline void tls_files_remove(struct tls_files *files)
{
	DIR *dir = opendir(files->dir);
	struct dirent *entry;
	char path[300];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", files->dir, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(files->dir);
}

#endif /* UNIT_HTTP_FIXTURE_H */
