/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_list - ukprof list: every KVM guest on this host, and whether it can be named. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_image.h"
#include "hostinfo.h"
#include "json.h"
#include "kvm_scan.h"
#include "loader.h"
#include "log.h"
#include "name.h"
#include "readers.h"
#include "rights.h"
#include "strbuf.h"
#include "vm_registry.h"

struct list_opts {
	bool json;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "one JSON document instead of a table", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct list_opts *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		break;
	case ARGP_KEY_ARG:
		cli__usage_error(NULL, "'%s' is not understood", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Show the KVM guests of this host, whatever VMM runs them.\v"
	       "Examples:\n"
	       "  ukprof list                 SYMBOLS: can functions be named, or why not\n"
	       "  ukprof list --json | jq .   for scripts",
	.children = cli_common,
};

/* One VM as it is shown. Without the privilege for BPF some of it is unknown. */
struct row {
	pid_t pid;
	char *name;
	char *vmm;
	char *image; /* as the VMM was given it, or NULL */
	size_t nr_vcpus;
	uint64_t mem_bytes; /* 0: unknown */
	bool has_symbols;
	char symbols[320]; /* path, or why not */
};

struct rows {
	struct readers *readers;
	struct row *rows;
	size_t nr;
};

static void judge_symbols(struct readers *readers, struct row *row, const char *image)
{
	enum image_verdict verdict;
	struct reader *img = NULL;
	char *twin;
	int err;

	if (!image) {
		snprintf(row->symbols, sizeof(row->symbols), "no: the command line names no image");
		return;
	}
	twin = vmm_info__symbol_twin(image);
	verdict = reader__open(readers, twin ? twin : image, false, &img);
	if (verdict == IMAGE_UNREADABLE) {
		snprintf(row->symbols, sizeof(row->symbols), "no: %s: %s", image__verdict_str(verdict), strerror(errno));
	} else if (verdict) {
		snprintf(row->symbols, sizeof(row->symbols), "no: %s", image__verdict_str(verdict));
	} else {
		reader__attach_debug_file(img, NULL, NULL);
		err = reader__read_symbols(img);
		row->has_symbols = !err;
		if (!err)
			snprintf(row->symbols, sizeof(row->symbols), "yes%s%s", twin ? ": " : "", twin ? twin : "");
		else
			snprintf(row->symbols, sizeof(row->symbols), "no: %s",
				 err == -EIO	? image__verdict_str(reader__verdict(img)) :
				 err == -ENOENT ? "stripped" :
						  "malformed symbol table");
	}
	reader__put(img);
	free(twin);
}

static int add_row(struct rows *rows, const char *name, const struct vmm_info *info, pid_t pid, size_t nr_vcpus,
		   uint64_t mem_bytes)
{
	struct row *r;

	r = reallocarray(rows->rows, rows->nr + 1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	rows->rows = r;
	r += rows->nr++;
	memset(r, 0, sizeof(*r));
	r->pid = pid;
	r->name = strdup(name);
	r->vmm = strdup(info->vmm);
	r->image = info->image_shown ? strdup(info->image_shown) : NULL;
	r->nr_vcpus = nr_vcpus;
	r->mem_bytes = mem_bytes;
	judge_symbols(rows->readers, r, info->image);
	return r->name && r->vmm ? 0 : -ENOMEM;
}

static int list_by_bpf(struct rows *rows, struct loader *l)
{
	static const struct vm_registry_ops ops;
	struct vm_registry *reg = NULL;
	struct vm *vm;
	size_t i;
	int err;

	err = vm_registry__new(&reg, l, &ops, NULL);
	if (!err)
		err = vm_registry__refresh(reg, 0);
	for (i = 0; !err && i < vm_registry__nr(reg); i++) {
		vm = vm_registry__vm(reg, i);
		err = add_row(rows, vm->name, &vm->info, vm->pid, vm->nr_vcpus, vm->mem_bytes);
	}
	vm_registry__free(reg);
	return err;
}

/* Without the kernel's help: names and vCPUs, but no memory, and VMs of one process as one. */
static int list_by_proc(struct rows *rows)
{
	struct kvm_proc *procs = NULL;
	struct vmm_info info;
	size_t nr = 0, denied = 0, i, k, vcpus;
	int err;

	err = kvm_scan__all(&procs, &nr, &denied);
	for (i = 0; i < nr; i++) {
		for (k = vcpus = 0; k < procs[i].nr_fds; k++)
			vcpus += !procs[i].fds[k].is_vm;
		if (!err && !vmm_info__read(procs[i].pid, &info)) {
			err = add_row(rows, info.name, &info, procs[i].pid, vcpus, 0);
			vmm_info__release(&info);
		}
		kvm_scan__release(&procs[i]);
	}
	free(procs);
	if (!err && hostinfo__hides_processes())
		log_warn("list: processes of others are hidden, for /proc is mounted with hidepid: run as root to see their VMs");
	else if (!err && denied)
		log_warn("list: %zu processes of others could not be looked into: run as root to see their VMs", denied);
	return err;
}

/* A cell, without what would steer the terminal. */
static void print_cell(const char *str, int width)
{
	struct strbuf sb = { 0 };

	name__clean(&sb, str ? str : "-", 0);
	printf("%-*s  ", width, strbuf__str(&sb));
	strbuf__free(&sb);
}

static int wider(int width, const char *s)
{
	int len = s ? strlen(s) : 1;

	return len > width ? len : width;
}

/* Columns are as wide as what is in them, so that long paths do not push others aside. */
static void print_table(const struct rows *rows)
{
	int name = strlen("NAME"), vmm = strlen("VMM"), image = strlen("IMAGE");
	const struct row *r;
	char mem[32];
	size_t i;

	if (!rows->nr) {
		printf("no VM runs under KVM on this host\n");
		return;
	}
	for (i = 0; i < rows->nr; i++) {
		r = &rows->rows[i];
		name = wider(name, r->name);
		vmm = wider(vmm, r->vmm);
		image = wider(image, r->image);
	}
	printf("%8s  %-*s  %-*s  %5s  %8s  %-*s  %s\n", "PID", name, "NAME", vmm, "VMM", "VCPUS", "MEMORY", image, "IMAGE",
	       "SYMBOLS");
	for (i = 0; i < rows->nr; i++) {
		r = &rows->rows[i];
		if (r->mem_bytes)
			snprintf(mem, sizeof(mem), "%.0f MiB", r->mem_bytes / 1048576.0);
		else
			snprintf(mem, sizeof(mem), "-");
		printf("%8d  ", r->pid);
		print_cell(r->name, name);
		print_cell(r->vmm, vmm);
		printf("%5zu  %8s  ", r->nr_vcpus, mem);
		print_cell(r->image, image);
		print_cell(r->symbols, 0);
		printf("\n");
	}
}

static void print_json(const struct rows *rows)
{
	const struct row *r;
	size_t i;

	printf("{\"schema\":1,\"vms\":[");
	for (i = 0; i < rows->nr; i++) {
		r = &rows->rows[i];
		printf("%s{\"pid\":%d,\"name\":", i ? "," : "", r->pid);
		json__print_str(stdout, r->name);
		printf(",\"vmm\":");
		json__print_str(stdout, r->vmm);
		printf(",\"vcpus\":%zu,\"memory_bytes\":", r->nr_vcpus);
		if (r->mem_bytes)
			printf("%" PRIu64, r->mem_bytes);
		else
			printf("null");
		printf(",\"image\":");
		json__print_str(stdout, r->image);
		printf(",\"has_symbols\":%s,\"symbols\":", r->has_symbols ? "true" : "false");
		json__print_str(stdout, r->symbols);
		printf("}");
	}
	printf("]}\n");
}

/* Without the programs the list is shorter, but there is one: 'ukprof check' is who explains. */
static int load_quietly(struct loader **l, const struct loader_opts *lo)
{
	enum log_level level = log__level();
	int err;

	if (level < LOG_LEVEL_DEBUG)
		log__set_level(LOG_LEVEL_NONE);
	err = loader__new(l, lo);
	log__set_level(level);
	return err;
}

static int run(int argc, char **argv)
{
	struct loader_opts lo = { .ring_bytes = sysconf(_SC_PAGESIZE) };
	struct list_opts o = { 0 };
	struct rows rows = { 0 };
	struct loader *l = NULL;
	size_t i;
	int err;

	cli__parse(&argp, argc, argv, &o);
	if (hostinfo__kvm_vendor() == KVM_VENDOR_NONE)
		log_warn("list: /sys/module/kvm is not there: without the kvm module no VM runs under KVM");
	if (access("/proc/self/stat", R_OK)) {
		log_err("list: /proc is not mounted: processes can't be looked at");
		log_hint("mount -t proc proc /proc");
		return CLI_FAILED;
	}
	/* Without, the list has no word on symbols, and that was said. */
	if (!cmd_image__start_readers(&rows.readers))
		rows.readers = NULL;
	if (rights__missing(false) || load_quietly(&l, &lo)) {
		log_info("list: memory sizes are unknown, for no BPF programs can be loaded: see 'ukprof check'");
		err = list_by_proc(&rows);
	} else {
		err = list_by_bpf(&rows, l);
	}
	loader__free(l);
	if (err)
		log_err("list: %s", strerror(-err));
	else if (o.json)
		print_json(&rows);
	else
		print_table(&rows);
	for (i = 0; i < rows.nr; i++) {
		free(rows.rows[i].name);
		free(rows.rows[i].vmm);
		free(rows.rows[i].image);
	}
	free(rows.rows);
	readers__stop(rows.readers);
	return err ? CLI_FAILED : cli__close_stdout();
}

const struct cli_verb verb_list = { "list", "the KVM guests of this host", run };
