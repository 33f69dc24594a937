/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_auth.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"

#define MAX_QUEUED	16
#define MAX_PER_ADDR	2
#define NR_REMEMBERED	64
#define NR_PUNISHED	64
#define PUNISH_MS	1000
#define DIGEST_LEN	32
#define MAX_HEADER_LEN	1024

struct punished {
	struct http_addr_key key;
	uint64_t until_ms;
};

struct http_auth {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_started, stop;				 /* @lock */
	struct http_auth_job *queue, *running, *done;	 /* @lock */
	void (*wake)(void *ctx);
	void *ctx;

	unsigned char secret[DIGEST_LEN];
	unsigned char right[NR_REMEMBERED][DIGEST_LEN];
	size_t nr_right, next_right;
	struct punished punished[NR_PUNISHED];
	size_t next_punished;
};

static void free_job(struct http_auth_job *job)
{
	if (job->password)
		explicit_bzero(job->password, strlen(job->password));
	free(job->user);
	free(job->password);
	web_config__free(job->cfg);
	free(job);
}

static void append(struct http_auth_job **list, struct http_auth_job *job)
{
	while (*list)
		list = &(*list)->next;
	job->next = NULL;
	*list = job;
}

static void *check_passwords(void *arg)
{
	struct http_auth *auth = arg;
	struct http_auth_job *job;

	pthread_mutex_lock(&auth->lock);
	while (!auth->stop) {
		job = auth->queue;
		if (!job) {
			pthread_cond_wait(&auth->cond, &auth->lock);
			continue;
		}
		auth->queue = job->next;
		auth->running = job;
		pthread_mutex_unlock(&auth->lock);

		job->result = web_config__check_password(job->cfg, job->user, job->password);

		pthread_mutex_lock(&auth->lock);
		auth->running = NULL;
		append(&auth->done, job);
		auth->wake(auth->ctx);
	}
	pthread_mutex_unlock(&auth->lock);
	return NULL;
}

int http_auth__new(struct http_auth **out, void (*wake)(void *ctx), void *ctx)
{
	struct http_auth *auth = calloc(1, sizeof(*auth));

	if (!auth)
		return -ENOMEM;
	if (gnutls_rnd(GNUTLS_RND_KEY, auth->secret, sizeof(auth->secret)) < 0) {
		free(auth);
		return -EIO;
	}
	pthread_mutex_init(&auth->lock, NULL);
	pthread_cond_init(&auth->cond, NULL);
	auth->wake = wake;
	auth->ctx = ctx;
	*out = auth;
	return 0;
}

static void free_jobs(struct http_auth_job *job)
{
	while (job) {
		struct http_auth_job *next = job->next;

		free_job(job);
		job = next;
	}
}

void http_auth__free(struct http_auth *auth)
{
	if (!auth)
		return;
	pthread_mutex_lock(&auth->lock);
	auth->stop = true;
	pthread_cond_signal(&auth->cond);
	pthread_mutex_unlock(&auth->lock);
	if (auth->is_started)
		pthread_join(auth->thread, NULL);
	free_jobs(auth->queue);
	free_jobs(auth->done);
	pthread_cond_destroy(&auth->cond);
	pthread_mutex_destroy(&auth->lock);
	explicit_bzero(auth, sizeof(*auth));
	free(auth);
}

/* "Basic dXNlcjpwYXNz" */
static int read_header(const char *header, char **user, char **password)
{
	gnutls_datum_t in, out = { 0 };
	char *colon;
	int err = -EACCES;

	if (!header || strncasecmp(header, "Basic ", 6) || strlen(header) > MAX_HEADER_LEN)
		return -EACCES;
	header += 6 + strspn(header + 6, " ");
	in.data = (unsigned char *)header;
	in.size = strlen(header);
	if (!in.size || gnutls_base64_decode2(&in, &out) < 0)
		return -EACCES;

	colon = out.size ? memchr(out.data, ':', out.size) : NULL;
	if (colon && !memchr(out.data, '\0', out.size)) {
		*user = strndup((char *)out.data, colon - (char *)out.data);
		*password = strndup(colon + 1, (char *)out.data + out.size - colon - 1);
		err = *user && *password ? 0 : -ENOMEM;
	}
	explicit_bzero(out.data, out.size);
	gnutls_free(out.data);
	return err;
}

/* NULs between the parts, and none inside: no two triples give the same bytes. */
static int digest(const struct http_auth *auth, const char *user, const char *password, const char *hash,
		  unsigned char *out)
{
	const char *parts[] = { user, password, hash };
	gnutls_hmac_hd_t hmac;

	if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, auth->secret, sizeof(auth->secret)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < 3; i++)
		gnutls_hmac(hmac, parts[i], strlen(parts[i]) + 1);
	gnutls_hmac_deinit(hmac, out);
	return 0;
}

static int digest_job(const struct http_auth *auth, const struct http_auth_job *job, unsigned char *out)
{
	const struct web_config_pair *users;
	size_t nr, i;

	users = web_config__users(job->cfg, &nr);
	for (i = 0; i < nr; i++)
		if (!strcmp(users[i].name, job->user))
			return digest(auth, job->user, job->password, users[i].value, out);
	return -ENOENT;
}

static bool is_remembered(const struct http_auth *auth, const unsigned char *sum)
{
	for (size_t i = 0; i < auth->nr_right; i++)
		if (!gnutls_memcmp(auth->right[i], sum, DIGEST_LEN))
			return true;
	return false;
}

static bool is_punished(const struct http_auth *auth, const struct http_addr_key *key)
{
	uint64_t now = clock__mono_ms();

	for (size_t i = 0; i < NR_PUNISHED; i++)
		if (auth->punished[i].until_ms > now && !memcmp(&auth->punished[i].key, key, sizeof(*key)))
			return true;
	return false;
}

/* Takes the job when it returns 0. */
static int enqueue(struct http_auth *auth, struct http_auth_job *job)
{
	size_t nr = 0, nr_same = 0;
	int err = -EBUSY;

	if (!auth->is_started) {
		err = -pthread_create(&auth->thread, NULL, check_passwords, auth);
		if (err)
			return -ENOMEM;
		auth->is_started = true;
		err = -EBUSY;
	}
	pthread_mutex_lock(&auth->lock);
	for (struct http_auth_job *j = auth->queue; j; j = j->next, nr++)
		nr_same += !memcmp(&j->key, &job->key, sizeof(job->key));
	if (auth->running)
		nr_same += !memcmp(&auth->running->key, &job->key, sizeof(job->key));
	if (nr < MAX_QUEUED && nr_same < MAX_PER_ADDR) {
		append(&auth->queue, job);
		pthread_cond_signal(&auth->cond);
		err = 0;
	}
	pthread_mutex_unlock(&auth->lock);
	return err;
}

int http_auth__check(struct http_auth *auth, struct web_config *cfg, const char *header,
		     const struct http_addr_key *key, struct http_auth_job **out)
{
	unsigned char sum[DIGEST_LEN];
	struct http_auth_job *job;
	int err;

	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->cfg = web_config__ref(cfg);
	job->key = *key;
	err = read_header(header, &job->user, &job->password);
	if (err)
		goto out;
	if (!digest_job(auth, job, sum) && is_remembered(auth, sum)) {
		err = 1;
		goto out;
	}
	err = is_punished(auth, key) ? -EBUSY : enqueue(auth, job);
	if (!err) {
		*out = job;
		return 0;
	}
out:
	free_job(job);
	return err;
}

struct http_auth_job *http_auth__next_done(struct http_auth *auth)
{
	struct http_auth_job *job;
	unsigned char sum[DIGEST_LEN];

	pthread_mutex_lock(&auth->lock);
	job = auth->done;
	if (job)
		auth->done = job->next;
	pthread_mutex_unlock(&auth->lock);
	if (!job)
		return NULL;

	if (job->result == -EACCES) {
		auth->punished[auth->next_punished++ % NR_PUNISHED] = (struct punished){ job->key, clock__mono_ms() + PUNISH_MS };
	} else if (!job->result && !digest_job(auth, job, sum) && !is_remembered(auth, sum)) {
		memcpy(auth->right[auth->next_right++ % NR_REMEMBERED], sum, DIGEST_LEN);
		if (auth->nr_right < NR_REMEMBERED)
			auth->nr_right++;
	}
	return job;
}

void http_auth_job__free(struct http_auth_job *job)
{
	free_job(job);
}
