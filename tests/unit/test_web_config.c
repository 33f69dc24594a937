/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "web_config.h"
#include "http_fixture.h"

/* "secret", cost 4 */
#define SECRET "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static struct tls_files files;
static char said[4096];

static char *config_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/web.yml", files.dir);
	return path;
}

/* Loads @text and keeps what was said on stderr in @said. */
static int load(struct web_config **out, const char *text)
{
	int memory = memfd_create("stderr", MFD_CLOEXEC), was, ret;
	ssize_t n;

	write_text(config_path(), text);
	fflush(stderr);
	was = dup(STDERR_FILENO);
	assert_true(memory >= 0 && was >= 0);
	dup2(memory, STDERR_FILENO);
	ret = web_config__load(out, config_path());
	fflush(stderr);
	dup2(was, STDERR_FILENO);
	n = pread(memory, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(was);
	close(memory);
	return ret;
}

static void says(const char *text, const char *what)
{
	struct web_config *cfg = (void *)1;

	assert_int_equal(load(&cfg, text), -EINVAL);
	assert_ptr_equal(cfg, (void *)1);
	if (!strstr(said, what))
		fail_msg("said \"%s\" and not \"%s\" of:\n%s", said, what, text);
}

static struct web_config *loads(const char *text)
{
	struct web_config *cfg = NULL;
	int ret = load(&cfg, text);

	if (ret)
		fail_msg("%d: %s of:\n%s", ret, said, text);
	return cfg;
}

/* What Prometheus' own exporters accept of the keys that are supported here. */
static void reads_the_supported_keys(void **state)
{
	const struct web_config_pair *pairs;
	struct web_config *cfg;
	size_t nr;

	(void)state;
	web_config__free(loads(""));
	web_config__free(loads("# nothing\n"));
	web_config__free(loads("{}\n"));
	web_config__free(loads("basic_auth_users:\n"));

	cfg = loads("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
		    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  min_version: TLS13\n"
		    "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000\n"
		    "    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
		    "basic_auth_users:\n  alice: " SECRET "\n  bob: " SECRET "\n");
	assert_non_null(web_config__creds(cfg));
	assert_true(web_config__needs_client_cert(cfg));
	pairs = web_config__users(cfg, &nr);
	assert_int_equal(nr, 2);
	assert_string_equal(pairs[1].name, "bob");
	pairs = web_config__headers(cfg, &nr);
	assert_int_equal(nr, 2);
	assert_string_equal(pairs[0].value, "max-age=31536000");
	web_config__free(cfg);
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	says("tls_server_conf:\n  x: y\n", "web.yml:1: unknown key: tls_server_conf");
	says("tls_server_config:\n  cert_file: server.crt\n  cipher_suites: []\n", "web.yml:3: unknown key: cipher_suites");
	says("http_server_config:\n  http2: false\n", "web.yml:2: unknown key: http2");
	says("rate_limit: {}\n", "unknown key: rate_limit");
	says("tls_server_config:\n  cert_file: server.crt\n", "needs both cert_file and key_file");
	says("tls_server_config:\n  cert_file: server.crt\n  cert_file: server.crt\n", "web.yml:3: key is there twice");
	says("tls_server_config:\n  min_version: TLS11\n", "web.yml:2: min_version is TLS12 or TLS13, not: TLS11");
	says("tls_server_config:\n  client_auth_type: RequestClientCert\n", "client_auth_type is");
	says("tls_server_config:\n  cert_file: [a]\n", "a word is expected");
	says("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
	     "  client_auth_type: RequireAndVerifyClientCert\n", "needs client_ca_file");
	says("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n",
	     "client_ca_file needs client_auth_type");
	says("tls_server_config:\n  cert_file: server.crt\n  key_file: nowhere.key\n", "cannot be used");
	says("tls_server_config:\n  cert_file: server.crt\n  key_file: client.key\n", "cannot be used");
	says("basic_auth_users:\n  alice: secret\n", "web.yml:2: the password of this user is not a bcrypt hash");
	says("basic_auth_users:\n  alice: $2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n", "cost 4 to 16");
	says("basic_auth_users:\n  'a:b': " SECRET "\n", "cannot have a ':'");
	says("http_server_config:\n  headers:\n    Set-Cookie: a\n", "web.yml:3: header cannot be set: Set-Cookie");
	says("http_server_config:\n  headers:\n    X-Frame-Options: allow\n", "cannot have this value");
	says("http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\r\\nb: c\"\n", "printable ASCII");
	says("a: [\n", "not YAML");
	says("- a\n", "a mapping of keys to values is expected");
	says("{}\n---\n{}\n", "only one document");
	says("basic_auth_users: &a\n  alice: *a\n", "not a bcrypt hash");
}

static void is_told_when_a_file_is_missing(void **state)
{
	struct web_config *cfg = NULL;

	(void)state;
	assert_int_equal(web_config__load(&cfg, "/nowhere/web.yml"), -ENOENT);
	assert_null(cfg);
}

/* Renewal must be seen whether a file is rewritten or replaced. */
static void sees_changed_files(void **state)
{
	struct web_config *cfg = loads("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n");
	char other[64];

	(void)state;
	assert_false(web_config__is_stale(cfg));
	snprintf(other, sizeof(other), "%s/new.crt", files.dir);
	make_cert("localhost", NULL, NULL, GNUTLS_KP_TLS_WWW_SERVER, other, files.key, NULL, NULL);
	assert_true(web_config__is_stale(cfg));
	assert_int_equal(rename(other, files.cert), 0);
	web_config__free(cfg);

	cfg = loads("basic_auth_users:\n  alice: " SECRET "\n");
	assert_false(web_config__is_stale(cfg));
	write_text(config_path(), "{}\n");
	assert_true(web_config__is_stale(cfg));
	unlink(config_path());
	assert_true(web_config__is_stale(cfg));
	web_config__free(cfg);
}

static void checks_passwords(void **state)
{
	struct web_config *cfg = loads("basic_auth_users:\n  alice: " SECRET "\n");

	(void)state;
	assert_int_equal(web_config__check_password(cfg, "alice", "secret"), 0);
	assert_int_equal(web_config__check_password(cfg, "alice", "Secret"), -EACCES);
	assert_int_equal(web_config__check_password(cfg, "alice", ""), -EACCES);
	assert_int_equal(web_config__check_password(cfg, "alic", "secret"), -EACCES);
	assert_int_equal(web_config__check_password(cfg, "", ""), -EACCES);
	web_config__free(cfg);
}

static int setup(void **state)
{
	(void)state;
	tls_files_make(&files);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_files_remove(&files);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_supported_keys),	  cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(is_told_when_a_file_is_missing), cmocka_unit_test(sees_changed_files),
		cmocka_unit_test(checks_passwords),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
