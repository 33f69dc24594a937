/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_server - the HTTP server with its default limits, to be measured: /metrics has 100 KiB, /profile 8 MiB.
 *
 *	http_server [WEB_CONFIG]
 *
 * Prints its port; ends at the end of stdin, and then prints what it refused.
 */
#include "http_server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "strbuf.h"

static struct strbuf metrics, profile;

static void on_page(void *ctx, struct http_request *req)
{
	const struct strbuf *page = strcmp(http_request__path(req), "/metrics") ? &profile : &metrics;
	struct http_reply reply = {
		.status = 200,
		.content_type = "text/plain; version=0.0.4; charset=utf-8",
		.body = page->data,
		.body_len = page->len,
		.release = http_body__static,
		.may_gzip = true,
	};

	(void)ctx;
	http_request__reply(req, &reply);
}

static void fill(struct strbuf *page, size_t len)
{
	for (int i = 0; page->len < len && !strbuf__err(page); i++)
		strbuf__printf(page, "ukprof_vm_exits_total{vm=\"bench\",vcpu=\"%d\",reason=\"EPT_VIOLATION\"} %d\n", i % 4,
			       i * 77);
}

int main(int argc, char **argv)
{
	static const struct http_route routes[] = { { .path = "/metrics", .handler = on_page },
						     { .path = "/profile", .handler = on_page } };
	static const char *const address[] = { "127.0.0.1:0" };
	struct http_opts opts = { .listen = address, .nr_listen = 1, .config_path = argc > 1 ? argv[1] : NULL };
	struct http_counters counters;
	struct http_server *srv;
	char byte;

	fill(&metrics, 100 * 1024);
	fill(&profile, 8 << 20);
	if (strbuf__err(&metrics) || strbuf__err(&profile) || http_server__new(&srv, &opts, routes, 2, NULL))
		return 1;
	if (http_server__start(srv)) {
		http_server__free(srv);
		return 1;
	}
	printf("%u\n", http_server__port(srv, 0));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	http_server__stop(srv);
	http_server__counters(srv, &counters);
	for (int i = 0; i < HTTP_NR_REFUSALS; i++)
		if (counters.refused[i])
			printf("refused %s %llu\n", http_refusal__label(i), (unsigned long long)counters.refused[i]);
	http_server__free(srv);
	strbuf__free(&metrics);
	strbuf__free(&profile);
	return 0;
}
