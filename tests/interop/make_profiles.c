/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * make_profiles - writes profiles in every format for readers that are not ours.
 *
 *   make_profiles FOLDER
 *
 * FOLDER receives NAME.pb.gz, .folded, .html and .svg for each profile below, and totals.json with what a
 * reader must find. All are made up but always the same.
 */
#include <time.h>

#include "export_fixture.h"
#include "flame_tree.h"
#include "strbuf.h"

static uint64_t random_state = 42;

static uint32_t next_random(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % n;
}

/* --- a web server on Unikraft: who calls whom; the first callees are the likely ones --- */

struct function {
	const char *name;
	const char *callees; /* separated by blanks; "." is time of its own */
};

static const struct function web_server[] = {
	{ "_libkvmplat_newstack", "ukplat_entry" },
	{ "ukplat_entry",
	  "uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_sched_start uk_boot_early_init" },
	{ "uk_boot_early_init", "uk_alloc_init memset" },
	{ "uk_alloc_init", ". memset" },
	{ "uk_sched_start",
	  "uk_thread_main uk_thread_main uk_thread_main uk_thread_main uk_thread_main tcpip_thread tcpip_thread idle_thread_fn" },
	{ "uk_thread_main", "main" },
	{ "idle_thread_fn", "ukplat_lcpu_halt_to schedcoop_schedule" },
	{ "ukplat_lcpu_halt_to", ". time_block_until" },
	{ "time_block_until", "." },
	{ "schedcoop_schedule", ". uk_sched_thread_switch ukplat_monotonic_clock uk_list_del" },
	{ "uk_sched_thread_switch", "." },
	{ "ukplat_monotonic_clock", "tscclock_monotonic" },
	{ "tscclock_monotonic", ". mul64_32" },
	{ "mul64_32", "." },
	{ "uk_list_del", "." },
	{ "main",
	  "ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_single_process_cycle ngx_init_cycle" },
	{ "ngx_init_cycle", "ngx_conf_parse ngx_palloc ngx_open_listening_sockets" },
	{ "ngx_open_listening_sockets", "uk_syscall_r_bind ." },
	{ "uk_syscall_r_bind", "." },
	{ "ngx_conf_parse", "ngx_conf_handler ngx_conf_read_token" },
	{ "ngx_conf_read_token", ". memcpy" },
	{ "ngx_conf_handler", "ngx_conf_parse ngx_palloc ." },
	{ "ngx_single_process_cycle", "ngx_process_events_and_timers" },
	{ "ngx_process_events_and_timers",
	  "ngx_epoll_process_events ngx_epoll_process_events ngx_epoll_process_events ngx_event_expire_timers "
	  "ngx_event_process_posted" },
	{ "ngx_event_expire_timers", ". ngx_rbtree_delete" },
	{ "ngx_rbtree_delete", ". ngx_rbtree_left_rotate" },
	{ "ngx_rbtree_left_rotate", "." },
	{ "ngx_event_process_posted", "ngx_http_keepalive_handler ngx_event_accept" },
	{ "ngx_epoll_process_events",
	  "ngx_http_wait_request_handler ngx_http_wait_request_handler ngx_http_process_request_line "
	  "uk_syscall_r_epoll_wait ngx_event_accept" },
	{ "uk_syscall_r_epoll_wait", "vfs_poll schedcoop_schedule ." },
	{ "vfs_poll", "sock_net_poll ." },
	{ "sock_net_poll", "lwip_poll" },
	{ "lwip_poll", ". sys_arch_sem_wait" },
	{ "sys_arch_sem_wait", "schedcoop_schedule uk_semaphore_down" },
	{ "uk_semaphore_down", "." },
	{ "ngx_event_accept", "uk_syscall_r_accept4 ngx_get_connection ngx_http_init_connection" },
	{ "ngx_get_connection", "." },
	{ "ngx_http_init_connection", "ngx_palloc ngx_event_add_timer" },
	{ "ngx_event_add_timer", ". ngx_rbtree_insert" },
	{ "ngx_rbtree_insert", "." },
	{ "uk_syscall_r_accept4", "lwip_accept" },
	{ "lwip_accept", "netconn_accept netconn_alloc" },
	{ "netconn_accept", "sys_arch_mbox_fetch tcpip_send_msg_wait_sem" },
	{ "netconn_alloc", "memp_malloc ." },
	{ "memp_malloc", "do_memp_malloc_pool ." },
	{ "do_memp_malloc_pool", "." },
	{ "sys_arch_mbox_fetch", "schedcoop_schedule ." },
	{ "ngx_http_keepalive_handler", "ngx_http_process_request_line ngx_unix_recv" },
	{ "ngx_unix_recv", "uk_syscall_r_recvfrom" },
	{ "uk_syscall_r_recvfrom", "lwip_recvfrom" },
	{ "lwip_recvfrom", "lwip_recv_tcp ." },
	{ "lwip_recv_tcp", "netconn_recv_tcp_pbuf pbuf_copy_partial" },
	{ "netconn_recv_tcp_pbuf", "sys_arch_mbox_fetch pbuf_free" },
	{ "pbuf_copy_partial", "memcpy memcpy ." },
	{ "pbuf_free", ". uk_free" },
	{ "ngx_http_wait_request_handler",
	  "ngx_http_process_request_line ngx_http_create_request ngx_unix_recv" },
	{ "ngx_http_create_request", "ngx_palloc memset ." },
	{ "ngx_http_process_request_line",
	  "ngx_http_process_request_headers ngx_http_process_request_headers ngx_http_parse_request_line" },
	{ "ngx_http_parse_request_line", "." },
	{ "ngx_http_process_request_headers",
	  "ngx_http_process_request ngx_http_process_request ngx_http_process_request ngx_http_process_request ngx_http_parse_header_line ngx_hash_find" },
	{ "ngx_http_parse_header_line", "." },
	{ "ngx_hash_find", "." },
	{ "ngx_http_process_request", "ngx_http_handler" },
	{ "ngx_http_handler", "ngx_http_core_run_phases" },
	{ "ngx_http_core_run_phases",
	  "ngx_http_core_content_phase ngx_http_core_content_phase ngx_http_core_find_config_phase "
	  "ngx_http_core_rewrite_phase" },
	{ "ngx_http_core_find_config_phase", "ngx_http_core_find_location ." },
	{ "ngx_http_core_find_location", "memcmp ." },
	{ "memcmp", "." },
	{ "ngx_http_core_rewrite_phase", "ngx_http_script_run pcre_exec" },
	{ "ngx_http_script_run", ". pcre_exec" },
	{ "pcre_exec", "match" },
	{ "match", "match match . ." },
	{ "ngx_http_core_content_phase",
	  "ngx_http_static_handler ngx_http_static_handler ngx_http_index_handler" },
	{ "ngx_http_index_handler", "ngx_http_internal_redirect ngx_open_cached_file" },
	{ "ngx_http_internal_redirect", "ngx_http_handler" },
	{ "ngx_http_static_handler",
	  "ngx_http_send_response ngx_open_cached_file ngx_http_send_header" },
	{ "ngx_open_cached_file", "ngx_open_and_stat_file ngx_crc32_long" },
	{ "ngx_crc32_long", "." },
	{ "ngx_open_and_stat_file", "uk_syscall_r_openat uk_syscall_r_fstat" },
	{ "uk_syscall_r_fstat", "vfscore_vop_getattr ." },
	{ "vfscore_vop_getattr", "ramfs_getattr" },
	{ "ramfs_getattr", "." },
	{ "uk_syscall_r_openat", "sys_open" },
	{ "sys_open", "namei ." },
	{ "namei", "namei_follow_link vn_lookup" },
	{ "namei_follow_link", "vn_lookup ." },
	{ "vn_lookup", ". vfscore_vget" },
	{ "vfscore_vget", ". uk_mutex_lock" },
	{ "uk_mutex_lock", "." },
	{ "ngx_http_send_header", "ngx_http_header_filter" },
	{ "ngx_http_header_filter", "ngx_palloc memcpy ngx_sprintf" },
	{ "ngx_sprintf", "ngx_vslprintf" },
	{ "ngx_vslprintf", ". ngx_sprintf_num" },
	{ "ngx_sprintf_num", "." },
	{ "ngx_http_send_response", "ngx_http_output_filter" },
	{ "ngx_http_output_filter",
	  "ngx_http_gzip_body_filter ngx_http_write_filter ngx_http_write_filter" },
	{ "ngx_http_gzip_body_filter", "deflate ngx_http_write_filter" },
	{ "deflate", "deflate_slow deflate_slow deflate_fast" },
	{ "deflate_slow", "longest_match longest_match longest_match fill_window _tr_flush_block" },
	{ "deflate_fast", "longest_match fill_window ." },
	{ "longest_match", "." },
	{ "fill_window", "read_buf slide_hash" },
	{ "slide_hash", "." },
	{ "read_buf", "crc32_z memcpy" },
	{ "crc32_z", "." },
	{ "_tr_flush_block", "compress_block build_tree" },
	{ "compress_block", "." },
	{ "build_tree", ". gen_bitlen" },
	{ "gen_bitlen", "." },
	{ "ngx_http_write_filter", "ngx_linux_sendfile_chain ngx_writev" },
	{ "ngx_linux_sendfile_chain", "ngx_writev" },
	{ "ngx_writev", "uk_syscall_r_writev" },
	{ "uk_syscall_r_writev", "vfscore_vop_write" },
	{ "vfscore_vop_write", "sock_net_write" },
	{ "sock_net_write", "lwip_writev" },
	{ "lwip_writev", "lwip_sendmsg" },
	{ "lwip_sendmsg", "netconn_write_vectors_partly" },
	{ "netconn_write_vectors_partly", "tcpip_send_msg_wait_sem" },
	{ "tcpip_send_msg_wait_sem", "lwip_netconn_do_write sys_arch_sem_wait" },
	{ "lwip_netconn_do_write", "lwip_netconn_do_writemore" },
	{ "lwip_netconn_do_writemore", "tcp_output tcp_output tcp_write" },
	{ "tcp_write", "tcp_pbuf_prealloc lwip_chksum_copy memcpy" },
	{ "tcp_pbuf_prealloc", "pbuf_alloc" },
	{ "pbuf_alloc", "lwip_netif_alloc memp_malloc uk_malloc" },
	{ "lwip_netif_alloc", "uk_netbuf_alloc_buf" },
	{ "uk_netbuf_alloc_buf", "uk_malloc uk_netbuf_init_indir" },
	{ "uk_netbuf_init_indir", "." },
	{ "lwip_chksum_copy", "." },
	{ "tcp_output", "tcp_output_segment tcp_output_segment tcp_create_segment" },
	{ "tcp_create_segment", "memp_malloc ." },
	{ "tcp_output_segment", "ip4_output_if inet_chksum_pseudo" },
	{ "inet_chksum_pseudo", "lwip_standard_chksum" },
	{ "lwip_standard_chksum", "." },
	{ "ip4_output_if", "etharp_output" },
	{ "etharp_output", "ethernet_output" },
	{ "ethernet_output", "uknetdev_output" },
	{ "uknetdev_output", "uk_netdev_tx_one lwip_alloc_netbuf" },
	{ "lwip_alloc_netbuf", "uk_malloc memcpy" },
	{ "uk_netdev_tx_one", "virtio_netdev_xmit" },
	{ "virtio_netdev_xmit",
	  "virtqueue_host_notify virtqueue_host_notify virtqueue_buffer_enqueue" },
	{ "virtqueue_buffer_enqueue", ". uk_sglist_append" },
	{ "uk_sglist_append", ". ukplat_virt_to_phys" },
	{ "ukplat_virt_to_phys", "." },
	{ "virtqueue_host_notify", "vpci_modern_pci_notify" },
	{ "vpci_modern_pci_notify", "!" },
	{ "tcpip_thread", "tcpip_thread_handle_msg tcpip_timeouts_mbox_fetch" },
	{ "tcpip_timeouts_mbox_fetch", "sys_arch_mbox_fetch tcp_tmr" },
	{ "tcp_tmr", "tcp_slowtmr tcp_fasttmr" },
	{ "tcp_slowtmr", "." },
	{ "tcp_fasttmr", "." },
	{ "tcpip_thread_handle_msg", "ethernet_input uknetdev_input" },
	{ "uknetdev_input", "uk_netdev_rx_one ethernet_input" },
	{ "uk_netdev_rx_one", "virtio_netdev_recv" },
	{ "virtio_netdev_recv", "virtqueue_buffer_dequeue virtio_netdev_rx_fillup" },
	{ "virtqueue_buffer_dequeue", "." },
	{ "virtio_netdev_rx_fillup",
	  "uk_netbuf_alloc_buf virtqueue_buffer_enqueue virtqueue_host_notify" },
	{ "ethernet_input", "ip4_input ip4_input etharp_input" },
	{ "etharp_input", "." },
	{ "ip4_input", "tcp_input tcp_input inet_chksum" },
	{ "inet_chksum", "lwip_standard_chksum" },
	{ "tcp_input", "tcp_process tcp_process inet_chksum_pseudo" },
	{ "tcp_process", "tcp_receive tcp_receive tcp_output" },
	{ "tcp_receive", "tcp_free_acked_segments pbuf_free . recv_tcp" },
	{ "recv_tcp", "sys_mbox_trypost ." },
	{ "sys_mbox_trypost", "uk_semaphore_up" },
	{ "uk_semaphore_up", "." },
	{ "tcp_free_acked_segments", "tcp_seg_free" },
	{ "tcp_seg_free", "pbuf_free ." },
	{ "ngx_palloc", "ngx_palloc_small ngx_palloc_block" },
	{ "ngx_palloc_small", "." },
	{ "ngx_palloc_block", "uk_memalign memset" },
	{ "uk_memalign", "mi_malloc_aligned" },
	{ "mi_malloc_aligned", "mi_heap_malloc_aligned" },
	{ "mi_heap_malloc_aligned", "mi_page_malloc _mi_malloc_generic" },
	{ "_mi_malloc_generic", "mi_find_page" },
	{ "mi_find_page", "mi_page_queue_find_free_ex mi_page_fresh" },
	{ "mi_page_queue_find_free_ex", "." },
	{ "mi_page_fresh", "mi_segment_alloc memset" },
	{ "mi_segment_alloc", "uk_palloc ." },
	{ "uk_palloc", "bbuddy_palloc" },
	{ "bbuddy_palloc", "." },
	{ "mi_page_malloc", "." },
	{ "uk_malloc", "mi_heap_malloc" },
	{ "mi_heap_malloc", "mi_page_malloc _mi_malloc_generic" },
	{ "uk_free", "mi_free" },
	{ "mi_free", ". mi_free_block_local" },
	{ "mi_free_block_local", "." },
	{ "memcpy", "." },
	{ "memset", "." },
};

#define NR_WEB ARRAY_SIZE(web_server)
#define TEXT   0xffffffff80100000ull
#define SIZE   0x400ull /* of each function */

static struct sym_frame web_frames[NR_WEB][2];
static struct fake_range web_ranges[2 * NR_WEB];

static struct symbolizer *web_symbolizer(void)
{
	static const struct sym_image_info images[] = {
		{ "/home/ops/nginx/.unikraft/build/nginx_qemu-x86_64.dbg", "8f3c1d27a90b44e2", TEXT,
		  TEXT + NR_WEB * SIZE, 0x1000, true, false },
	};
	static char files[NR_WEB][64];
	size_t i;

	for (i = 0; i < NR_WEB; i++) {
		uint64_t start = TEXT + i * SIZE;

		snprintf(files[i], sizeof(files[i]), "src/%s.c", web_server[i].name);
		/* The last quarter of every fifth function is code inlined into it. */
		web_frames[i][0] = (struct sym_frame){
			"uk_list_empty", start, "include/uk/list.h", 50, true, false
		};
		web_frames[i][1] = (struct sym_frame){
			web_server[i].name, start, files[i], 10 + i, false, false
		};
		web_ranges[2 * i] =
			(struct fake_range){ start, start + SIZE - SIZE / 4, &web_frames[i][1], 1 };
		web_ranges[2 * i + 1] = (struct fake_range){ start + SIZE - SIZE / 4, start + SIZE,
							     &web_frames[i][i % 5 == 3 ? 0 : 1],
							     1 + (i % 5 == 3) };
	}
	return fake_symbolizer__new(web_ranges, 2 * NR_WEB, images, 1);
}

static size_t find_function(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < NR_WEB; i++)
		if (strlen(web_server[i].name) == len && !memcmp(web_server[i].name, name, len))
			return i;
	fail_msg("no function %.*s", (int)len, name);
	return 0;
}

/* Picks a callee by chance. Return: its position in the list, or -1 for ".", -2 for "!" (leaves the guest). */
static int pick_callee(size_t function, size_t *callee)
{
	const char *list = web_server[function].callees, *word;
	int nr = 1, i, k;

	for (word = list; *word; word++)
		nr += *word == ' ';
	i = next_random(nr);
	word = list;
	for (k = 0; k < i; k++)
		word = strchr(word, ' ') + 1;
	/* Most time is spent far up the stack. */
	if (*word == '.' && nr > 1 && next_random(4))
		return pick_callee(function, callee);
	if (*word == '.' || *word == '!')
		return *word == '.' ? -1 : -2;
	*callee = find_function(word, strcspn(word, " "));
	return i;
}

static void add_web_stack(struct snapshot *snap, int vm)
{
	enum {
		MAX_DEPTH = 120
	};
	uint64_t path[MAX_DEPTH], frames[MAX_DEPTH];
	enum snap_place place = SNAP_PLACE_GUEST;
	size_t function = 0, callee = 0;
	const char *stop = NULL;
	int nr = 0, call, i;

	for (;;) {
		call = pick_callee(function, &callee);
		if (call < 0 || nr == MAX_DEPTH - 1 || !next_random(400))
			break;
		path[nr++] = TEXT + function * SIZE + 0x25 + 0x10 * call;
		function = callee;
	}
	path[nr++] = TEXT + function * SIZE + 4 * next_random(next_random(3) ? 180 : SIZE / 4);
	if (call == -2)
		place = next_random(3) ? SNAP_PLACE_KVM : SNAP_PLACE_VMM;
	else if (!next_random(120))
		place = SNAP_PLACE_KVM;
	for (i = 0; i < nr; i++)
		frames[i] = path[nr - 1 - i];
	if (nr > 3 && !next_random(50)) { /* the root's end is what gets lost */
		stop = next_random(3) ? "unmapped" : "depth";
		nr = 1 + next_random(nr - 2);
	}
	if (!next_random(80))
		frames[0] = 0x7fff0000 + 16 * next_random(40);
	fix_add_stack(snap, vm, next_random(4), place, stop,
		      1 + next_random(next_random(8) ? 3 : 60), nr, frames);
}

static struct snapshot *make_realistic(void)
{
	struct snap_info info = fix_info;
	struct snap_vm web = {
		.name = "nginx-prod-01",
		.vmm = "qemu-system-x86_64",
		.image_path = "/home/ops/nginx/.unikraft/build/nginx_qemu-x86_64.dbg",
		.pid = 48211,
		.nr_vcpus = 4,
		.verified = true,
		.syms = web_symbolizer(),
	};
	struct snapshot *snap;
	int vm, i;

	info.duration_ns = 97ull * 1000000000;
	assert_int_equal(snapshot__new(&snap, &info), 0);
	vm = snapshot__add_vm(snap, &web);
	assert_true(vm >= 0);

	for (i = 0; i < 9000; i++)
		add_web_stack(snap, vm);
	fix_add_counter(snap, "ring_full", "Samples dropped: ring buffer full", 12);
	fix_add_counter(snap, "vcpu_full", "Samples dropped: vCPU state map full", 0);
	snapshot__seal(snap);
	return snap;
}

static struct snapshot *make_clean(void)
{
	struct snapshot *snap = fix_new();
	int vm = fix_add_vm(snap, "hello", fix_symbolizer(), true);

	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 0x100310, 0x100120, 0x100020);
	snapshot__seal(snap);
	return snap;
}

static struct snapshot *make_fleet(void)
{
	struct snapshot *snap = fix_new();
	char name[32];
	int i, k, vm;

	for (i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "nginx-prod-%02d", i + 1);
		vm = fix_add_vm(snap, name, i < 5 ? web_symbolizer() : NULL, i < 4);
		for (k = 0; k < 300; k++)
			add_web_stack(snap, vm);
	}
	snapshot__seal(snap);
	return snap;
}

static struct snapshot *make_empty(void)
{
	struct snapshot *snap = fix_new();

	fix_add_vm(snap, "idle", fix_symbolizer(), true);
	snapshot__seal(snap);
	return snap;
}

/* Some 240,000 nodes. */
static struct snapshot *make_big(void)
{
	enum {
		NR = 4000,
		STACKS = 27500,
		DEPTH = 24
	};
	static char names[NR][24];
	static struct sym_frame frames[NR];
	static struct fake_range ranges[NR];
	struct snapshot *snap = fix_new();
	uint64_t path[DEPTH];
	uint32_t at, depth, k;
	int i, vm;

	for (i = 0; i < NR; i++) {
		snprintf(names[i], sizeof(names[i]), "function_%d", i);
		frames[i] = (struct sym_frame){ .name = names[i] };
		ranges[i] = (struct fake_range){ 16 * i, 16 * (i + 1), &frames[i], 1 };
	}
	vm = fix_add_vm(snap, "big", fake_symbolizer__new(ranges, NR, NULL, 0), true);
	for (i = 0; i < STACKS; i++) {
		depth = 8 + next_random(DEPTH - 8);
		at = 0;
		for (k = 0; k < depth; k++) {
			path[depth - 1 - k] = 16 * at + 4;
			at = (at * 7 + 1 + next_random(k < 3 ? 8 : 3)) % NR;
		}
		fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1 + next_random(9), depth, path);
	}
	snapshot__seal(snap);
	return snap;
}

static struct snapshot *make_deep(void)
{
	enum {
		DEPTH = 5000
	};
	static uint64_t frames[DEPTH];
	struct snapshot *snap = fix_new();
	int vm = fix_add_vm(snap, "deep", fix_symbolizer(), true), i;

	for (i = 0; i < DEPTH; i++)
		frames[i] = 0x100020;
	fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 7, DEPTH, frames);
	fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 3, 4, frames);
	snapshot__seal(snap);
	return snap;
}

static struct snapshot *make_hostile(void)
{
	uint64_t total;

	return fix_hostile(&total);
}

static const struct {
	const char *name;
	struct snapshot *(*make)(void);
} profiles[] = {
	{ "small", fix_small },      { "clean", make_clean }, { "realistic", make_realistic },
	{ "fleet", make_fleet },     { "big", make_big },     { "deep", make_deep },
	{ "hostile", make_hostile }, { "empty", make_empty },
};

static void write_profile(const struct snapshot *snap, const char *folder, const char *name,
			  const struct exporter *exporter, const char *suffix)
{
	struct timespec a, b;
	struct sink *sink;
	char path[4096];
	FILE *f;
	long size;

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
	assert_ptr_equal(exporter__by_path(path), exporter);
	f = fopen(path, "w");
	if (!f)
		fail_msg("%s: cannot write", path);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(sink__fd(&sink, fileno(f)), 0);
	assert_int_equal(exporter->write(snap, NULL, sink), 0);
	assert_int_equal(sink__close(sink), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	fclose(f);
	printf("  %-24s %9ld bytes %6ld ms\n", path + strlen(folder) + 1, size,
	       (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
}

int main(int argc, char **argv)
{
	struct flame_tree *t;
	struct snapshot *snap;
	char path[4096];
	uint64_t count, ns;
	FILE *totals;
	size_t i;

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "%s/totals.json", argv[1]);
	totals = fopen(path, "w");
	if (!totals)
		fail_msg("%s: cannot write", path);
	fprintf(totals, "{\n");
	for (i = 0; i < ARRAY_SIZE(profiles); i++) {
		snap = profiles[i].make();
		snapshot__total(snap, &count, &ns);
		assert_int_equal(flame_tree__new(&t, snap, 0), 0);
		fprintf(totals,
			"%s  \"%s\": { \"samples\": %lu, \"nanoseconds\": %lu, \"nodes\": %zu }",
			i ? ",\n" : "", profiles[i].name, count, ns, flame_tree__nr(t));
		flame_tree__free(t);
		write_profile(snap, argv[1], profiles[i].name, &exporter_pprof, ".pb.gz");
		write_profile(snap, argv[1], profiles[i].name, &exporter_folded, ".folded");
		write_profile(snap, argv[1], profiles[i].name, &exporter_svg, ".svg");
		write_profile(snap, argv[1], profiles[i].name, &exporter_html, ".html");
		snapshot__put(snap);
	}
	fprintf(totals, "\n}\n");
	return fclose(totals) ? 1 : 0;
}
