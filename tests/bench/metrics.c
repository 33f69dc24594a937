/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * metrics - what one scrape of a large host costs.
 *
 *   metrics [VMS [ROUNDS]]
 *
 * Prints for each format: NAME SERIES BYTES MS, MS being the CPU time of the fastest of ROUNDS pages. 300 VMs
 * with 11 exit reasons and one vCPU are about 100 thousand series.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host_stats.h"
#include "metrics.h"
#include "sink.h"

#define NR_REASONS 11

static const struct host_label stops[] = {
	{ "root", "" },      { "depth", "" },       { "unmapped", "" },   { "noslot", "" },
	{ "backwards", "" }, { "notresident", "" }, { "badfp", "" },      { "realmode", "" },
	{ "legacy", "" },    { "stalerip", "" },    { "staleslots", "" }, { "moved", "" },
};

#define NR_STOPS (sizeof(stops) / sizeof(stops[0]))

static void *need(void *p)
{
	if (!p) {
		fprintf(stderr, "err: metrics: out of memory\n");
		exit(1);
	}
	return p;
}

static void add_vm(struct host_stats *hs, size_t i)
{
	static const uint32_t reasons[NR_REASONS] = { 1, 10, 12, 28, 30, 31, 32, 48, 49, 52, 7 };
	struct host_vm *vm = &hs->vms[i];
	char name[40];
	size_t r, b;

	snprintf(name, sizeof(name), "web-frontend-%zu", i);
	if (host_stats__copy_str(hs, &vm->name, name))
		need(NULL);
	vm->id = i;
	vm->pid = 1000 + i;
	vm->vmm = "qemu-system-x86_64";
	vm->image_name = "nginx_kvm-x86_64.dbg";
	vm->build_id = "0123456789abcdef0123456789abcdef01234567";
	vm->uuid = "5f1c2d3e-0000-4000-8000-000000000001";
	vm->up = true;
	vm->seen_wall_ns = 1767225600123456789ull;
	vm->mem_bytes = 134217728;
	vm->nr_vcpus = 1;
	vm->vcpus = need(calloc(1, sizeof(*vm->vcpus)));
	for (r = 0; r < HOST_NR_VCPU_STATES; r++)
		vm->vcpus[0].state_ns[r] = 12345678901234ull * (r + 1) + i;
	vm->stops = need(calloc(NR_STOPS, sizeof(*vm->stops)));
	vm->stops[0] = 1234567 + i;
	vm->nr_exits = NR_REASONS;
	vm->exits = need(calloc(NR_REASONS, sizeof(*vm->exits)));
	for (r = 0; r < NR_REASONS; r++) {
		vm->exits[r].isa = EXIT_ISA_VMX;
		vm->exits[r].reason = reasons[r];
		for (b = 8; b < 25; b++) {
			vm->exits[r].buckets[b] = 1000000 / (b + r) + i;
			vm->exits[r].count += vm->exits[r].buckets[b];
		}
		vm->exits[r].nr_timed = vm->exits[r].count;
		vm->exits[r].total_ns = vm->exits[r].count * 4321;
	}
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void measure(const struct host_stats *hs, const char *name, enum metrics_format format,
		    int rounds)
{
	double best = 1e9, start, ms;
	size_t len = 0, nr = 0, i;
	struct sink *sink;
	const char *page;
	bool at_start;

	while (rounds--) {
		sink = NULL;
		start = cpu_ms();
		if (sink__memory(&sink) || metrics__write(hs, NULL, format, sink))
			need(NULL);
		ms = cpu_ms() - start;
		best = ms < best ? ms : best;
		page = sink__data(sink, &len);
		for (i = nr = 0, at_start = true; i < len; i++) {
			nr += at_start && page[i] != '#';
			at_start = page[i] == '\n';
		}
		sink__close(sink);
	}
	printf("%s %zu %zu %.2f\n", name, nr, len, best);
}

int main(int argc, char **argv)
{
	size_t nr_vms = argc > 1 ? strtoul(argv[1], NULL, 10) : 300, i;
	int rounds = argc > 2 ? atoi(argv[2]) : 20;
	struct host_stats *hs = NULL;

	if (host_stats__new(&hs))
		need(NULL);
	hs->vms = need(calloc(nr_vms + 1, sizeof(*hs->vms)));
	hs->nr_vms = nr_vms;
	hs->stops = need(malloc(sizeof(stops)));
	memcpy(hs->stops, stops, sizeof(stops));
	hs->nr_stops = NR_STOPS;
	for (i = 0; i < nr_vms; i++)
		add_vm(hs, i);
	measure(hs, "text", METRICS_TEXT, rounds);
	measure(hs, "openmetrics", METRICS_OPENMETRICS, rounds);
	host_stats__put(hs);
	return 0;
}
