/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

/*
 * web_config - the file of --web.config.file: TLS, passwords and headers, as Prometheus exporters spell it.
 *
 *	tls_server_config:
 *	  cert_file: server.crt            # PEM; relative to the folder of this file
 *	  key_file: server.key
 *	  client_auth_type: RequireAndVerifyClientCert   # or NoClientCert, the default
 *	  client_ca_file: clients.crt
 *	  min_version: TLS12               # the default, or TLS13
 *	http_server_config:
 *	  headers:
 *	    Strict-Transport-Security: max-age=31536000
 *	basic_auth_users:
 *	  alice: $2y$10$...                # bcrypt
 *
 * A key that is not listed here is refused by name: a setting that is silently ignored is a hole. A loaded
 * configuration never changes; a changed file gives a new one.
 *
 * Threads: a loaded configuration may be read by any number of threads.
 */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

struct web_config;

struct web_config_pair {
	const char *name, *value; /* a header and its value, or a user and the bcrypt hash */
};

/**
 * web_config__load() - read the file and the certificates it names.
 * @out: the configuration; the caller owns it.
 *
 * Logs what is wrong, with file and line.
 *
 * Return: 0; -EINVAL if the file or a certificate is not valid; a negative errno if it cannot be read.
 */
int web_config__load(struct web_config **out, const char *path);

/** web_config__ref() - one more owner. web_config__free() gives one up and accepts NULL. Threads: any. */
struct web_config *web_config__ref(struct web_config *cfg);
void web_config__free(struct web_config *cfg);

/**
 * web_config__is_stale() - has the file, or one that it names, changed since it was loaded?
 *
 * Cost: one stat(2) a file.
 */
bool web_config__is_stale(const struct web_config *cfg);

/** web_config__creds() - what a TLS session needs; NULL: no TLS. Borrowed from @cfg, which must outlive it. */
gnutls_certificate_credentials_t web_config__creds(const struct web_config *cfg);
gnutls_priority_t web_config__priority(const struct web_config *cfg);

/** web_config__needs_client_cert() - clients without a certificate of our CA are turned away. */
bool web_config__needs_client_cert(const struct web_config *cfg);

/** web_config__users() - the users in the order of the file; NULL and 0: no passwords. */
const struct web_config_pair *web_config__users(const struct web_config *cfg, size_t *nr);

/** web_config__headers() - headers to add to every answer. */
const struct web_config_pair *web_config__headers(const struct web_config *cfg, size_t *nr);

/**
 * web_config__check_password() - is it this user's? Compares one bcrypt hash also for users that do not
 * exist, so that the time does not tell which do.
 *
 * Return: 0 yes; -EACCES no; -ENOMEM.
 * Cost: about 100 ms of CPU for cost 10; the caller chooses the thread.
 */
int web_config__check_password(const struct web_config *cfg, const char *user, const char *password);

#endif /* WEB_CONFIG_H */
