/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hostinfo.h"
#include "kallsyms.h"
#include "kernel_types.h"
#include "log.h"
#include "opener.h"
#include "range_alloc.h"
#include "rights.h"
#include "ukprof.skel.h"
#include "unwind_table.h"

/* Room for unwind tables. 2 million rows are the code of 50 large unikernels, and 8 MiB. */
#define UNWIND_ROWS  (2u << 20)
#define UNWIND_PAGES 32768u
#define UNWIND_RULES 32768u

struct loader {
	struct ukprof_bpf *skel;
	struct ring_buffer *ring;
	struct ukp_counters *counters;
	__u32 *text_wanted;
	struct ukp_settings *settings;
	size_t nr_cpus;
	uint64_t kvm_instance; /* that the programs were made for; 0: any will do */
	void (*handle)(void *ctx, const void *data, size_t len);
	void *handle_ctx;
	struct bpf_link *exit_links[16];
	size_t nr_exit_links;
	struct opener *opener;
	int types_fd; /* while it is loaded */
	int cost_fd; /* open: the kernel counts what programs cost */
	/* unwind tables: the maps, mapped, and which parts of them are in use; NULL: no room was made */
	struct ukp_unwind_page *pages;
	struct ukp_unwind_row *rows;
	struct ukp_unwind_rule *rules;
	struct range_alloc page_room, row_room, rule_room;
	int find_links_by_pid; /* -1 not tried, 0 the kernel can't, 1 it can */
};

struct loader_link {
	struct bpf_link *link;
	int perf_fd;
};

#define MEMLOCK_ENOUGH (256ull << 20)
#define LOG_TAIL 2048
#define SPARE_LOAD_FDS 4  /* the kernel's types, the program's, one more each while they are found out */
#define MAX_LOAD_FDS   64 /* maps and programs: about 40 */
static char log_tail[LOG_TAIL]; /* libbpf's last words: the reason, when a load fails */

/* A refused program comes with the verifier's whole log, of which the end tells why. */
static int on_libbpf_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	size_t have, len;
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	if (log__shows(LOG_LEVEL_TRACE))
		log__write(LOG_LEVEL_TRACE, "%s", text);
	/* Why the kernel's types can't be read is only said at debug level. */
	if (level == LIBBPF_WARN || (strstr(text, "loading kernel BTF") && strstr(text, ": -"))) {
		if (len > LOG_TAIL / 2)
			memmove(text, text + len - LOG_TAIL / 2, LOG_TAIL / 2 + 1);
		have = strlen(log_tail);
		if (have + strlen(text) + 2 > LOG_TAIL)
			have = 0;
		snprintf(log_tail + have, LOG_TAIL - have, "%s\n", text);
	}
	free(text);
	return 0;
}

static int explain_load_error(int err)
{
	struct rlimit locked;

	if (err == -EMFILE || err == -ENFILE) {
		log_err("loader: loading the BPF programs took too many descriptors: %s", strerror(-err));
		log_hint("raise the limit on open files: ulimit -n 1024");
		return err;
	}
	/* Where libbpf had no memory for the kernel's types it says that there are none; its log knows better. */
	if (err == -ESRCH && strstr(log_tail, ": -12"))
		err = -ENOMEM;
	if (err == -ENOMEM) {
		log_err("loader: loading the BPF programs took too much memory: %s", strerror(-err));
		log_hint("see ulimit -v, the memory limit of the cgroup, and --buffer");
		return err;
	}
	if (err == -EPERM && !getrlimit(RLIMIT_MEMLOCK, &locked) && locked.rlim_cur < MEMLOCK_ENOUGH) {
		log_err("loader: loading the BPF programs was refused: locked memory is limited to %llu KiB, which counts "
			"before kernel 5.11", (unsigned long long)locked.rlim_cur / 1024);
		log_hint("ulimit -l unlimited, or as root");
		return -EPERM;
	}
	if (err == -EPERM) {
		log_err("loader: loading the BPF programs was refused, although the rights are there: %s", strerror(-err));
		log_hint("see /sys/kernel/security/lockdown, the logs of SELinux or AppArmor, and whether this is a "
			 "container with user IDs of its own");
		return -EPERM;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		log_err("loader: this kernel describes no types: /sys/kernel/btf/vmlinux: %s", strerror(errno));
		log_hint("use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of the distributions are, "
			 "and mount sysfs");
		return -ENOENT;
	}
	if (access("/sys/module/kvm", F_OK)) {
		log_err("loader: KVM is not there: /sys/module/kvm: %s", strerror(errno));
		log_hint("load it with 'modprobe kvm_intel' or 'modprobe kvm_amd'");
		return -EOPNOTSUPP;
	}
	log_err("loader: the kernel did not take the BPF programs: %s", strerror(-err));
	log_hint("run 'ukprof check' for what is missing; with -v -v it shows the kernel's own words");
	log_debug("loader: libbpf said:\n%s", log_tail);
	return err;
}

/* Tells one loading of the module from the next; 0 if there is none. */
static uint64_t kvm_instance(void)
{
	struct stat st;

	return stat("/sys/module/kvm", &st) ? 0 : st.st_ino;
}

bool loader__fits_kvm(const struct loader *l)
{
	return !l->kvm_instance || l->kvm_instance == kvm_instance();
}

/* Before 5.17 the note that an interrupt hit the guest is a per-CPU variable of the kvm module. */
static void find_current_vcpu(struct loader *l)
{
	struct kallsyms_want want[] = {
		{ .name = "current_vcpu", .module = "kvm" },
		{ .name = "__per_cpu_offset" },
	};

	/* A pass over all symbols of the kernel takes a tenth of a second, and ten in an emulated machine. */
	if (hostinfo__is_since(hostinfo__release(), 5, 17) || kallsyms__find(want, 2))
		return;
	if (want[0].is_hidden) {
		log_warn("loader: whether a sample hit the guest or KVM is hidden: all of both count as KVM's");
		log_hint("before kernel 5.17 that takes CAP_SYSLOG, and kernel.kptr_restrict below 2");
	}
	if (want[0].addr && want[1].addr) {
		l->kvm_instance = kvm_instance();
		l->skel->rodata->current_vcpu_addr = want[0].addr;
		l->skel->rodata->per_cpu_offset_addr = want[1].addr;
	}
}

static int map_counters(struct loader *l)
{
	size_t len = l->nr_cpus * sizeof(*l->counters);
	void *p;

	p = mmap(NULL, len, PROT_READ, MAP_SHARED, bpf_map__fd(l->skel->maps.counters), 0);
	if (p == MAP_FAILED)
		return -errno;
	l->counters = p;
	len = bpf_map__max_entries(l->skel->maps.text_wanted) * 8UL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(l->skel->maps.text_wanted), 0);
	if (p == MAP_FAILED)
		return -errno;
	l->text_wanted = p;
	p = mmap(NULL, sizeof(*l->settings), PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(l->skel->maps.settings), 0);
	if (p == MAP_FAILED)
		return -errno;
	l->settings = p;
	return 0;
}

static void *map_whole(struct bpf_map *map, size_t value_size)
{
	void *p = mmap(NULL, bpf_map__max_entries(map) * value_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

static int map_unwind(struct loader *l)
{
	l->pages = map_whole(l->skel->maps.unwind_pages, sizeof(*l->pages));
	l->rows = l->pages ? map_whole(l->skel->maps.unwind_rows, sizeof(struct ukp_unwind_chunk)) : NULL;
	l->rules = l->rows ? map_whole(l->skel->maps.unwind_rules, sizeof(*l->rules)) : NULL;
	if (!l->rules)
		return -errno;
	l->page_room.size = UNWIND_PAGES;
	l->row_room.size = UNWIND_ROWS;
	l->rule_room.size = UNWIND_RULES;
	return 0;
}

static void unmap_unwind(struct loader *l)
{
	if (l->pages)
		munmap(l->pages, UNWIND_PAGES * sizeof(*l->pages));
	if (l->rows)
		munmap(l->rows, UNWIND_ROWS * sizeof(*l->rows));
	if (l->rules)
		munmap(l->rules, UNWIND_RULES * sizeof(*l->rules));
	range_alloc__release(&l->page_room);
	range_alloc__release(&l->row_room);
	range_alloc__release(&l->rule_room);
}

/* Programs and tables for exits cost memory and load time: only who asks for them gets them. */
static void select_programs(struct ukprof_bpf *skel, bool exits)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
		if (bpf_program__type(prog) == BPF_PROG_TYPE_RAW_TRACEPOINT)
			bpf_program__set_autoload(prog, exits);
	if (exits)
		return;
	bpf_map__set_autocreate(skel->maps.exit_rows, false);
	bpf_map__set_autocreate(skel->maps.exit_sites, false);
	bpf_map__set_autocreate(skel->maps.virqs, false);
	bpf_map__set_autocreate(skel->maps.exit_zero, false);
}

/* A unikernel has one vCPU mostly, four rarely, and exits for less than ten reasons. */
static void size_maps(struct ukprof_bpf *skel, uint32_t max_vms)
{
	bpf_map__set_max_entries(skel->maps.vms, max_vms);
	bpf_map__set_max_entries(skel->maps.text_wanted, max_vms);
	bpf_map__set_max_entries(skel->maps.vcpus, 4 * max_vms);
	bpf_map__set_max_entries(skel->maps.exit_rows, 8 * max_vms);
}

/*
 * Short of descriptors libbpf takes its failed probes for features that the kernel lacks, and some other error
 * comes of it. So whether there are enough is found out before, by taking them.
 */
static int try_descriptors(const struct ukprof_bpf *skel)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int fds[MAX_LOAD_FDS], nr = 0, needed = SPARE_LOAD_FDS, err = 0;

	bpf_object__for_each_program(prog, skel->obj)
		needed += bpf_program__autoload(prog);
	bpf_object__for_each_map(map, skel->obj)
		needed += bpf_map__autocreate(map);
	while (!err && nr < needed && nr < MAX_LOAD_FDS) {
		fds[nr] = eventfd(0, EFD_CLOEXEC);
		if (fds[nr] < 0)
			err = -errno;
		else
			nr++;
	}
	while (nr)
		close(fds[--nr]);
	return err;
}

/* Without CAP_SYS_ADMIN libbpf cannot ask for the types of modules, and gives up: it gets them as a file. */
static struct ukprof_bpf *open_skel(struct loader *l)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[32];

	if (rights__can_open_all())
		return ukprof_bpf__open();
	l->types_fd = kernel_types__open();
	if (l->types_fd < 0)
		return ukprof_bpf__open();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->types_fd);
	opts.btf_custom_path = path; /* copied */
	return ukprof_bpf__open_opts(&opts);
}

/* Where KVM always has RSP, the programs need no part that recovers it; docs/architecture.md tells of the test. */
static uint32_t rsp_is(void)
{
	const char *withheld = getenv("UKPROF_TEST_WITHHOLD_RSP");

	if (withheld && !strcmp(withheld, "1"))
		return UKP_RSP_WITHHELD;
	return hostinfo__kvm_vendor() == KVM_VENDOR_INTEL ? UKP_RSP_LAZY : UKP_RSP_KNOWN;
}

int loader__new(struct loader **out, const struct loader_opts *opts)
{
	struct loader *l;
	int err;

	libbpf_set_print(on_libbpf_log);
	log_tail[0] = '\0';
	l = calloc(1, sizeof(*l));
	if (!l)
		return explain_load_error(-ENOMEM);
	l->find_links_by_pid = -1;
	l->cost_fd = -1;
	l->types_fd = -1;
	l->opener = opts->opener;
	l->nr_cpus = libbpf_num_possible_cpus();
	l->skel = open_skel(l);
	if (!l->skel) {
		err = explain_load_error(-errno);
		goto err_free;
	}
	find_current_vcpu(l);
	l->skel->rodata->wakeup_bytes = opts->ring_bytes / 4;
	l->skel->rodata->is_emulated = hostinfo__kvm_vendor() == KVM_VENDOR_SOFTWARE;
	l->skel->rodata->host_stacks = opts->host_stacks;
	l->skel->rodata->host_isa = hostinfo__kvm_vendor() == KVM_VENDOR_INTEL ? UKP_ISA_VMX :
				    hostinfo__kvm_vendor() == KVM_VENDOR_AMD   ? UKP_ISA_SVM :
										 0;
	if (!opts->host_stacks)
		bpf_map__set_autocreate(l->skel->maps.host_record, false);
	l->skel->rodata->rsp_is = rsp_is();
	bpf_map__set_max_entries(l->skel->maps.ring, opts->ring_bytes);
	bpf_map__set_max_entries(l->skel->maps.counters, l->nr_cpus);
	if (opts->unwind) {
		bpf_map__set_max_entries(l->skel->maps.unwind_pages, UNWIND_PAGES);
		bpf_map__set_max_entries(l->skel->maps.unwind_rows, UNWIND_ROWS / UKP_UNWIND_CHUNK);
		bpf_map__set_max_entries(l->skel->maps.unwind_rules, UNWIND_RULES);
	}
	select_programs(l->skel, opts->exits);
	if (opts->max_vms)
		size_maps(l->skel, opts->max_vms);
	err = try_descriptors(l->skel);
	if (!err)
		err = ukprof_bpf__load(l->skel);
	if (l->types_fd >= 0)
		close(l->types_fd);
	l->types_fd = -1;
	if (err) {
		err = explain_load_error(err);
		goto err_free;
	}
	err = map_counters(l);
	if (!err && opts->unwind)
		err = map_unwind(l);
	if (err) {
		log_err("loader: counters can't be mapped: %s", strerror(-err));
		goto err_free;
	}
	*out = l;
	return 0;

err_free:
	loader__free(l);
	return err;
}

void loader__free(struct loader *l)
{
	if (!l)
		return;
	if (l->types_fd >= 0)
		close(l->types_fd);
	if (l->counters)
		munmap(l->counters, l->nr_cpus * sizeof(*l->counters));
	if (l->text_wanted)
		munmap(l->text_wanted, bpf_map__max_entries(l->skel->maps.text_wanted) * 8UL);
	if (l->settings)
		munmap(l->settings, sizeof(*l->settings));
	unmap_unwind(l);
	loader__count_cost(l, false);
	loader__detach_exits(l);
	ring_buffer__free(l->ring);
	ukprof_bpf__destroy(l->skel);
	free(l);
}

const char *loader__libbpf_version(void)
{
	return libbpf_version_string();
}

/* --- discovery --- */

static struct bpf_link *link_iterator(struct loader *l, uint32_t tgid)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = {};
	struct bpf_link *link;

	/* Since 6.1 the kernel can be told the process; before, it walks over all and we filter. */
	if (tgid && l->find_links_by_pid) {
		info.task.pid = tgid;
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
		link = bpf_program__attach_iter(l->skel->progs.ukp_find, &opts);
		if (link) {
			l->find_links_by_pid = 1;
			return link;
		}
		if (l->find_links_by_pid == 1)
			return NULL; /* the process is gone */
		l->find_links_by_pid = 0;
	}
	return bpf_program__attach_iter(l->skel->progs.ukp_find, NULL);
}

/* Records are written whole, but a read may end inside one: what is left over moves to the front. */
static int read_found(int fd, void (*visit)(void *, const struct ukp_found *, const struct ukp_slot *), void *ctx)
{
	static const size_t size = 1 << 16;
	size_t have = 0, at, len;
	struct ukp_found *found;
	int err = 0;
	ssize_t n;
	char *buf;

	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	while ((n = read(fd, buf + have, size - have)) != 0) {
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				continue;
			err = -errno;
			break;
		}
		have += n;
		for (at = 0; have - at >= sizeof(*found); at += len) {
			found = (struct ukp_found *)(buf + at);
			len = sizeof(*found) + found->nr_slots * sizeof(struct ukp_slot);
			if (found->nr_slots > UKP_MAX_FOUND_SLOTS) {
				err = -EBADMSG;
				goto out;
			}
			if (have - at < len)
				break;
			visit(ctx, found, found->nr_slots ? (struct ukp_slot *)(found + 1) : NULL);
		}
		memmove(buf, buf + at, have - at);
		have -= at;
	}
out:
	free(buf);
	return err;
}

static int find_some(struct loader *l, const struct loader_target *targets, size_t nr, uint32_t tgid,
		     void (*visit)(void *, const struct ukp_found *, const struct ukp_slot *), void *ctx)
{
	int map = bpf_map__fd(l->skel->maps.fd_targets), fd = -1, err = 0;
	struct bpf_link *link = NULL;
	size_t i, set = 0;

	for (i = 0; i < nr && !err; i++, set++) {
		struct ukp_fd_key key = { targets[i].tgid, targets[i].fd };
		__u32 kind = targets[i].is_vm ? UKP_FD_VM : UKP_FD_VCPU;

		err = bpf_map_update_elem(map, &key, &kind, BPF_ANY);
	}
	if (!err) {
		link = link_iterator(l, tgid);
		err = link ? 0 : -errno;
	}
	if (!err) {
		fd = bpf_iter_create(bpf_link__fd(link));
		err = fd < 0 ? fd : read_found(fd, visit, ctx);
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	for (i = 0; i < set; i++) {
		struct ukp_fd_key key = { targets[i].tgid, targets[i].fd };

		bpf_map_delete_elem(map, &key);
	}
	return err;
}

int loader__find(struct loader *l, const struct loader_target *targets, size_t nr, uint32_t tgid,
		 void (*visit)(void *, const struct ukp_found *, const struct ukp_slot *), void *ctx)
{
	size_t room = bpf_map__max_entries(l->skel->maps.fd_targets), n;
	int err = 0;

	for (; nr && !err; targets += n, nr -= n) {
		n = nr < room ? nr : room;
		err = find_some(l, targets, n, tgid, visit, ctx);
	}
	return err;
}

/* --- maps --- */

int loader__set_vm(struct loader *l, uint32_t vm, const struct ukp_vm *value)
{
	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.vms), &vm, value, BPF_ANY);
}

int loader__set_vcpu(struct loader *l, uint32_t tid, const struct ukp_vcpu *value)
{
	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.vcpus), &tid, value, BPF_ANY);
}

void loader__del_vm(struct loader *l, uint32_t vm)
{
	bpf_map_delete_elem(bpf_map__fd(l->skel->maps.vms), &vm);
}

void loader__del_vcpu(struct loader *l, uint32_t tid)
{
	bpf_map_delete_elem(bpf_map__fd(l->skel->maps.vcpus), &tid);
}

void loader__want_text(struct loader *l, uint32_t vm, uint32_t nr)
{
	/* Values of an array map stand 8 bytes apart. */
	if (vm < bpf_map__max_entries(l->skel->maps.text_wanted))
		__atomic_store_n(&l->text_wanted[vm * 2], nr, __ATOMIC_RELAXED);
}

/* --- unwind tables --- */

int loader__add_unwind(struct loader *l, const struct unwind_arrays *arrays, struct ukp_unwind_image *out)
{
	struct ukp_unwind_image image = { .base = arrays->base };
	uint32_t first_row;
	size_t i;
	int err;

	if (arrays->nr_pages > UNWIND_PAGES || arrays->nr_rows > UNWIND_ROWS || arrays->nr_rules > UNWIND_RULES)
		return -ENOSPC;
	image.nr_pages = arrays->nr_pages;
	image.nr_rules = arrays->nr_rules;
	err = range_alloc__take(&l->page_room, arrays->nr_pages, &image.first_page);
	if (err)
		return err;
	err = range_alloc__take(&l->rule_room, arrays->nr_rules, &image.first_rule);
	if (err)
		goto err_pages;
	err = range_alloc__take(&l->row_room, arrays->nr_rows, &first_row);
	if (err)
		goto err_rules;
	memcpy(l->rows + first_row, arrays->rows, arrays->nr_rows * sizeof(*l->rows));
	memcpy(l->rules + image.first_rule, arrays->rules, arrays->nr_rules * sizeof(*l->rules));
	for (i = 0; i < arrays->nr_pages; i++) {
		l->pages[image.first_page + i] = arrays->pages[i];
		l->pages[image.first_page + i].first += first_row;
	}
	/* What deletes it knows the pages alone: the first one leads to the rows, used or not. */
	*out = image;
	return 0;

err_rules:
	range_alloc__give(&l->rule_room, image.first_rule);
err_pages:
	range_alloc__give(&l->page_room, image.first_page);
	return err;
}

void loader__del_unwind(struct loader *l, const struct ukp_unwind_image *image)
{
	if (!image->nr_pages)
		return;
	range_alloc__give(&l->row_room, l->pages[image->first_page].first);
	range_alloc__give(&l->rule_room, image->first_rule);
	range_alloc__give(&l->page_room, image->first_page);
}

/* --- sampling --- */

int loader__attach(struct loader *l, int perf_fd, struct loader_link **out)
{
	struct loader_link *link;
	int err;

	link = calloc(1, sizeof(*link));
	if (!link) {
		close(perf_fd);
		return -ENOMEM;
	}
	link->perf_fd = perf_fd;
	link->link = bpf_program__attach_perf_event(l->skel->progs.ukp_on_sample, perf_fd);
	if (!link->link) {
		err = -errno;
		close(perf_fd);
		free(link);
		return err;
	}
	*out = link;
	return 0;
}

void loader__detach(struct loader_link *link)
{
	if (!link)
		return;
	bpf_link__destroy(link->link); /* closes perf_fd, too */
	free(link);
}

/* --- VM exits --- */

static int attach_one(struct loader *l, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach(prog);

	if (!link)
		return -errno;
	l->exit_links[l->nr_exit_links++] = link;
	return 0;
}

/* Exits of AMD's processors can be read in full: the module's types are known, as the programs need them. */
static bool has_svm_exits(void)
{
	return !access("/sys/module/kvm_amd", F_OK) && !access("/sys/kernel/btf/kvm_amd", R_OK);
}

int loader__attach_exits(struct loader *l)
{
	struct ukprof_bpf *skel = l->skel;
	struct bpf_program *const details[] = {
		skel->progs.ukp_on_mmio,     skel->progs.ukp_on_fast_mmio,	skel->progs.ukp_on_hypercall,
		skel->progs.ukp_on_inj_virq, skel->progs.ukp_on_userspace_exit,
		/* What these tell AMD's processors write down at the exit, where the kernel is new enough to show it. */
		skel->progs.ukp_on_pio,	     skel->progs.ukp_on_msr,		skel->progs.ukp_on_page_fault,
	};
	const size_t nr_always = 5;
	size_t i;
	int err;

	/* What an exit is for before the exits, so that no exit goes without. */
	for (i = 0; i < (has_svm_exits() ? nr_always : sizeof(details) / sizeof(details[0])); i++) {
		err = attach_one(l, details[i]);
		if (err && err != -ENOENT)
			goto err;
		if (err)
			log_debug("loader: %s: this KVM has no such tracepoint", bpf_program__name(details[i]));
	}
	err = attach_one(l, skel->progs.ukp_on_entry);
	/* The one with more arguments is refused where the tracepoint has fewer; the other would fit both. */
	if (!err)
		err = attach_one(l, skel->progs.ukp_on_exit_3);
	if (err == -EINVAL)
		err = attach_one(l, skel->progs.ukp_on_exit);
	if (!err)
		return 0;
err:
	loader__detach_exits(l);
	return err == -ENOENT ? -EOPNOTSUPP : err;
}

void loader__detach_exits(struct loader *l)
{
	while (l->nr_exit_links)
		bpf_link__destroy(l->exit_links[--l->nr_exit_links]);
}

void loader__set_exit_stacks(struct loader *l, const struct ukp_settings *set)
{
	*(volatile struct ukp_settings *)l->settings = *set;
}

void loader__count_cost(struct loader *l, bool on)
{
	if (on && l->cost_fd < 0)
		l->cost_fd = opener__bpf_stats(l->opener);
	if (!on && l->cost_fd >= 0) {
		close(l->cost_fd);
		l->cost_fd = -1;
	}
}

/* Walk over a hash map; nothing is deleted while it goes on, so every key is met once. */
static int for_each(const struct bpf_map *map, void *key, void *value, int (*visit)(void *, void *, void *), void *ctx)
{
	int fd = bpf_map__fd(map), err;
	void *prev = NULL;

	while (!bpf_map_get_next_key(fd, prev, key)) {
		prev = key;
		if (bpf_map_lookup_elem(fd, key, value))
			continue;
		err = visit(ctx, key, value);
		if (err)
			return err;
	}
	return 0;
}

/* The visitors differ in their types only. */
struct visitor {
	union {
		int (*row)(void *, const struct ukp_exit_row_key *, const struct ukp_exit_row *);
		int (*site)(void *, const struct ukp_exit_site_key *, const struct ukp_exit_site *);
		int (*virq)(void *, const struct ukp_virq_key *, uint64_t);
		int (*vcpu)(void *, uint32_t, const struct ukp_vcpu *);
	};
	void *ctx;
};

static int visit_row(void *ctx, void *key, void *value)
{
	struct visitor *v = ctx;

	return v->row(v->ctx, key, value);
}

static int visit_site(void *ctx, void *key, void *value)
{
	struct visitor *v = ctx;

	return v->site(v->ctx, key, value);
}

static int visit_virq(void *ctx, void *key, void *value)
{
	struct visitor *v = ctx;

	return v->virq(v->ctx, key, *(__u64 *)value);
}

static int visit_vcpu(void *ctx, void *key, void *value)
{
	struct visitor *v = ctx;

	return v->vcpu(v->ctx, *(__u32 *)key, value);
}

int loader__for_each_exit_row(struct loader *l,
			      int (*visit)(void *, const struct ukp_exit_row_key *, const struct ukp_exit_row *), void *ctx)
{
	struct visitor v = { .row = visit, .ctx = ctx };
	struct ukp_exit_row_key key;
	struct ukp_exit_row value;

	return for_each(l->skel->maps.exit_rows, &key, &value, visit_row, &v);
}

int loader__for_each_exit_site(struct loader *l,
			       int (*visit)(void *, const struct ukp_exit_site_key *, const struct ukp_exit_site *),
			       void *ctx)
{
	struct visitor v = { .site = visit, .ctx = ctx };
	struct ukp_exit_site_key key;
	struct ukp_exit_site value;

	return for_each(l->skel->maps.exit_sites, &key, &value, visit_site, &v);
}

int loader__for_each_virq(struct loader *l, int (*visit)(void *, const struct ukp_virq_key *, uint64_t), void *ctx)
{
	struct visitor v = { .virq = visit, .ctx = ctx };
	struct ukp_virq_key key;
	__u64 value;

	return for_each(l->skel->maps.virqs, &key, &value, visit_virq, &v);
}

/* Of all three kinds of keys; which member names the VM is all that differs. */
static void forget_keys(const struct bpf_map *map, size_t vm_offset, const uint32_t *vms, size_t nr)
{
	char key[64], next[64];
	int fd = bpf_map__fd(map);
	bool have, drop;
	uint32_t vm;
	size_t i;

	/* A key is deleted when the one behind it is known, so the walk never loses its place. */
	have = !bpf_map_get_next_key(fd, NULL, key);
	while (have) {
		have = !bpf_map_get_next_key(fd, key, next);
		memcpy(&vm, key + vm_offset, sizeof(vm));
		for (drop = false, i = 0; i < nr && !drop; i++)
			drop = vms[i] == vm;
		if (drop)
			bpf_map_delete_elem(fd, key);
		memcpy(key, next, sizeof(key));
	}
}

void loader__forget_exits(struct loader *l, const uint32_t *vms, size_t nr)
{
	if (!nr)
		return;
	forget_keys(l->skel->maps.exit_rows, offsetof(struct ukp_exit_row_key, vm), vms, nr);
	forget_keys(l->skel->maps.exit_sites, offsetof(struct ukp_exit_site_key, vm), vms, nr);
	forget_keys(l->skel->maps.virqs, offsetof(struct ukp_virq_key, vm), vms, nr);
}

int loader__for_each_vcpu(struct loader *l, int (*visit)(void *, uint32_t, const struct ukp_vcpu *), void *ctx)
{
	struct visitor v = { .vcpu = visit, .ctx = ctx };
	struct ukp_vcpu value;
	__u32 key;

	return for_each(l->skel->maps.vcpus, &key, &value, visit_vcpu, &v);
}

bool loader__runs_for_exits(const char *program)
{
	return strcmp(program, LOADER_SAMPLE_PROGRAM) && strcmp(program, "ukp_find");
}

int loader__for_each_cost(struct loader *l, int (*visit)(void *, const char *, uint64_t, uint64_t), void *ctx)
{
	struct bpf_prog_info info;
	struct bpf_program *prog;
	__u32 len;
	int fd, err;

	bpf_object__for_each_program(prog, l->skel->obj)
	{
		fd = bpf_program__fd(prog);
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !info.run_cnt)
			continue;
		err = visit(ctx, bpf_program__name(prog), info.run_cnt, info.run_time_ns);
		if (err)
			return err;
	}
	return 0;
}

/* --- ring and counters --- */

static int on_record(void *ctx, void *data, size_t len)
{
	struct loader *l = ctx;

	l->handle(l->handle_ctx, data, len);
	return 0;
}

int loader__set_handler(struct loader *l, void (*handle)(void *, const void *, size_t), void *ctx)
{
	l->handle = handle;
	l->handle_ctx = ctx;
	l->ring = ring_buffer__new(bpf_map__fd(l->skel->maps.ring), on_record, l, NULL);
	return l->ring ? 0 : -errno;
}

int loader__ring_fd(const struct loader *l)
{
	return ring_buffer__epoll_fd(l->ring);
}

int loader__consume(struct loader *l)
{
	return ring_buffer__consume(l->ring);
}

void loader__counters(const struct loader *l, uint64_t *v)
{
	size_t cpu;
	int i;

	memset(v, 0, UKP_CTR_MAX * sizeof(*v));
	for (cpu = 0; cpu < l->nr_cpus; cpu++)
		for (i = 0; i < UKP_CTR_MAX; i++)
			v[i] += __atomic_load_n(&l->counters[cpu].v[i], __ATOMIC_RELAXED);
}
