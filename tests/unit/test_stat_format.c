/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <locale.h>

#include "check_json.h"
#include "export_fixture.h"
#include "exit_filter.h"
#include "name.h"
#include "stat_fixture.h"
#include "stat_rows.h"
#include "utf8.h"

/* clang-format off */
static const char want_text[] =
	"# vm web0 (qemu-system-x86_64, PID 4242), 10.0 s\n"
	"\n"
	"reason                        exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
	"IO_INSTRUCTION                 1501      150  19.5ms   99.0%  13.0us  ~12.3us  ~31.0us  31.0us  vmm 73%\n"
	"EPT_VIOLATION                    40      4.0   200us    1.0%  5.00us  ~5.00us  ~5.00us  5.00us  kernel\n"
	"CPUID                             3      0.3  2.70us    0.0%   900ns   ~900ns   ~900ns   900ns  kernel\n"
	"INVALID_STATE FAILED_VMENTRY      1      0.1     0ns    0.0%     0ns     ~0ns     ~0ns     0ns  vmm\n"
	"total                          1545      155  19.7ms  100.0%  12.8us  ~11.9us  ~31.0us  31.0us  vmm 71%\n"
	"\n"
	"HLT (idle)                       30      3.0   8.50s       -   283ms   ~300ms   ~300ms   300ms  kernel\n"
	"total with idle                1575      158   8.52s       -  5.41ms  ~12.2us   ~300ms   300ms  vmm 70%\n"
	"\n"
	"interrupts injected into the guest\n"
	"vector  injected  per s\n"
	"0x20          15    1.5\n"
	"0xec        1234    123\n"
	"total       1249    125\n"
	"\n"
	"# vm net,\"1\" (solo5-hvt, PID 77), 10.0 s\n"
	"\n"
	"reason          exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
	"io                  7      0.7  14.0ms  100.0%  2.00ms  ~2.00ms  ~2.00ms  2.00ms  vmm\n"
	"UNKNOWN_0x7777      2      0.2   200ns    0.0%   100ns   ~100ns   ~100ns   100ns  kernel\n"
	"total               9      0.9  14.0ms  100.0%  1.56ms  ~1.42ms  ~2.00ms  2.00ms  vmm 78%\n"
	"\n"
	"# counters: lost 3 overflow 12\n"
	"# cost: on_kvm_exit 210 ns per run, 1574 runs\n";

static const char want_functions[] =
	"# vm web0 (qemu-system-x86_64, PID 4242), 10.0 s\n"
	"\n"
	"exits  exits/s    time     avg  function       reason          what for\n"
	" 1000      100  18.0ms  18.0us  worker_a       IO_INSTRUCTION  out 0x3f8 (COM1)\n"
	"  500     50.0  1.50ms  3.00us  hot_leaf+0x10  IO_INSTRUCTION  in 0x71 (RTC)\n"
	"   73      7.3   8.50s   116ms  [3 more rows]\n"
	" 1573      157   8.52s  5.42ms  total\n"
	"\n"
	"interrupts injected into the guest\n"
	"vector  injected  per s\n"
	"0x20          15    1.5\n"
	"0xec        1234    123\n"
	"total       1249    125\n"
	"\n"
	"# vm net,\"1\" (solo5-hvt, PID 77), 10.0 s, no image\n"
	"\n"
	"exits  exits/s    time     avg  function  reason  what for\n"
	"    7      0.7  14.0ms  2.00ms  0x101010  io      out 0x501 (Solo5 walltime)\n"
	"    7      0.7  14.0ms  2.00ms  total\n"
	"\n"
	"# counters: lost 3 overflow 12\n"
	"# cost: on_kvm_exit 210 ns per run, 1574 runs\n";

static const char want_vcpus[] =
	"# vm web0 (qemu-system-x86_64, PID 4242), 10.0 s\n"
	"\n"
	"vCPU 0\n"
	"reason           exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
	"IO_INSTRUCTION    1001      100  18.0ms   98.9%  18.0us  ~16.4us  ~31.0us  31.0us  vmm\n"
	"EPT_VIOLATION       40      4.0   200us    1.1%  5.00us  ~5.00us  ~5.00us  5.00us  kernel\n"
	"CPUID                3      0.3  2.70us    0.0%   900ns   ~900ns   ~900ns   900ns  kernel\n"
	"total             1044      104  18.2ms  100.0%  17.5us  ~16.0us  ~31.0us  31.0us  vmm 96%\n"
	"\n"
	"HLT (idle)          20      2.0   6.00s       -   300ms   ~300ms   ~300ms   300ms  kernel\n"
	"total with idle   1064      106   6.02s       -  5.66ms  ~16.2us   ~300ms   300ms  vmm 94%\n"
	"\n"
	"vCPU 1\n"
	"reason                        exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
	"IO_INSTRUCTION                  500     50.0  1.50ms  100.0%  3.00us  ~3.00us  ~3.00us  3.00us  vmm 20%\n"
	"INVALID_STATE FAILED_VMENTRY      1      0.1     0ns    0.0%     0ns     ~0ns     ~0ns     0ns  vmm\n"
	"total                           501     50.1  1.50ms  100.0%  2.99us  ~3.00us  ~3.00us  3.00us  vmm 20%\n"
	"\n"
	"HLT (idle)                       10      1.0   2.50s       -   250ms   ~250ms   ~250ms   250ms  kernel\n"
	"total with idle                 511     51.1   2.50s       -  4.90ms  ~3.09us   ~195ms   250ms  vmm 20%\n"
	"\n"
	"interrupts injected into the guest\n"
	"vector  injected  per s\n"
	"0x20          15    1.5\n"
	"0xec        1234    123\n"
	"total       1249    125\n"
	"\n"
	"# vm net,\"1\" (solo5-hvt, PID 77), 10.0 s\n"
	"\n"
	"vCPU 0\n"
	"reason          exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
	"io                  7      0.7  14.0ms  100.0%  2.00ms  ~2.00ms  ~2.00ms  2.00ms  vmm\n"
	"UNKNOWN_0x7777      2      0.2   200ns    0.0%   100ns   ~100ns   ~100ns   100ns  kernel\n"
	"total               9      0.9  14.0ms  100.0%  1.56ms  ~1.42ms  ~2.00ms  2.00ms  vmm 78%\n"
	"\n"
	"# counters: lost 3 overflow 12\n"
	"# cost: on_kvm_exit 210 ns per run, 1574 runs\n";

static const char want_perf[] =
	"\n"
	"\n"
	"Analyze events for all VMs, all VCPUs:\n"
	"\n"
	"             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time \n"
	"\n"
	"      IO_INSTRUCTION       1500    94.76%     0.23%      3.00us     31.00us     13.00us ( +-   1.75% )\n"
	"       EPT_VIOLATION         40     2.53%     0.00%      5.00us      5.00us      5.00us ( +-   0.00% )\n"
	"                 HLT         30     1.90%    99.61% 250000.00us 300000.00us 283333.33us ( +-   1.54% )\n"
	"                  io          7     0.44%     0.16%   2000.00us   2000.00us   2000.00us ( +-   0.00% )\n"
	"               CPUID          3     0.19%     0.00%      0.90us      0.90us      0.90us ( +-   0.00% )\n"
	"      UNKNOWN_0x7777          2     0.13%     0.00%      0.10us      0.10us      0.10us ( +-   0.00% )\n"
	"  UNKNOWN_0x80000021          1     0.06%     0.00%      0.00us      0.00us      0.00us ( +-   0.00% )\n"
	"\n"
	"Total Samples:1583, Total events handled time:8533702.90us.\n"
	"\n"
	"\n"
	"Lost events: 3\n"
	"\n";

static const char want_kvmexit[] =
	"Display kvm exit reasons and statistics for PID 4242 VCPU 0 after sleeping 10 secs.\n"
	"KVM_EXIT_REASON                     COUNT\n"
	"IO_INSTRUCTION                      1001    \n"
	"EPT_VIOLATION                       40      \n"
	"HLT                                 20      \n"
	"CPUID                               3       \n"
	"Display kvm exit reasons and statistics for PID 4242 VCPU 1 after sleeping 10 secs.\n"
	"KVM_EXIT_REASON                     COUNT\n"
	"IO_INSTRUCTION                      500     \n"
	"HLT                                 10      \n"
	"INVALID_STATE FAILED_VMENTRY        1       \n"
	"Display kvm exit reasons and statistics for PID 77 VCPU 0 after sleeping 10 secs.\n"
	"KVM_EXIT_REASON                     COUNT\n"
	"io                                  7       \n"
	"UNKNOWN_0x7777                      2       \n";

static const char want_csv[] =
	"vm,vcpu,isa,reason_code,reason,exits,timed,total_ns,min_ns,max_ns,user_exits,user_ns\r\n"
	"web0,0,vmx,10,CPUID,3,3,2700,900,900,0,0\r\n"
	"web0,0,vmx,12,HLT,20,20,6000000000,300000000,300000000,0,0\r\n"
	"web0,0,vmx,30,IO_INSTRUCTION,1001,1000,18000000,9000,31000,1000,18000000\r\n"
	"web0,0,vmx,48,EPT_VIOLATION,40,40,200000,5000,5000,0,0\r\n"
	"web0,1,vmx,12,HLT,10,10,2500000000,250000000,250000000,0,0\r\n"
	"web0,1,vmx,30,IO_INSTRUCTION,500,500,1500000,3000,3000,100,300000\r\n"
	"web0,1,vmx,2147483681,INVALID_STATE FAILED_VMENTRY,1,1,0,0,0,1,0\r\n"
	"\"net,\"\"1\"\"\",0,svm,123,io,7,7,14000000,2000000,2000000,7,14000000\r\n"
	"\"net,\"\"1\"\"\",0,svm,30583,UNKNOWN_0x7777,2,2,200,100,100,0,0\r\n";

static const char want_csv_functions[] =
	"vm,function,offset,rip,reason,detail,value,exits,total_ns\r\n"
	"web0,,,,EPT_VIOLATION,page_fault,0x200000,40,200000\r\n"
	"web0,kmain,0,0x100000,CPUID,,,3,2700\r\n"
	"web0,worker_a,32,0x100120,IO_INSTRUCTION,pio_out,0x3f8,600,10800000\r\n"
	"web0,worker_a,96,0x100160,IO_INSTRUCTION,pio_out,0x3f8,400,7200000\r\n"
	"web0,hot_leaf,16,0x100310,IO_INSTRUCTION,pio_in,0x71,500,1500000\r\n"
	"web0,,,0xffff8000deadbeef,HLT,,,30,8500000000\r\n"
	"\"net,\"\"1\"\"\",,,0x101010,io,pio_out,0x501,7,14000000\r\n";
/* clang-format on */

static const struct stat_opts by_reason, by_vcpu = { .per_vcpu = true };
static const struct stat_opts by_function = { .by_function = true };
static const struct stat_opts top_two = { .by_function = true, .top = 2 };

static void assert_written(const char *format, const struct stat_opts *opts, const char *want)
{
	char *text = fix_stat_write(format, fix_stats(), opts);

	assert_string_equal(text, want);
	free(text);
}

static void assert_all(void)
{
	assert_written("text", &by_reason, want_text);
	assert_written("text", &top_two, want_functions);
	assert_written("text", &by_vcpu, want_vcpus);
	assert_written("perf", &by_reason, want_perf);
	assert_written("kvmexit", &by_vcpu, want_kvmexit);
	assert_written("csv", &by_reason, want_csv);
	assert_written("csv", &by_function, want_csv_functions);
}

static void layouts_are_exactly_these(void **state)
{
	(void)state;
	assert_all();
}

static void layouts_do_not_depend_on_the_locale(void **state)
{
	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "C.UTF-8"))
		skip();
	assert_all();
	setlocale(LC_ALL, "C");
}

static void formats_are_found_by_name(void **state)
{
	const struct stat_format *const *f = stat_format__table();

	(void)state;
	assert_string_equal(f[0]->name, "text");
	for (; *f; f++)
		assert_ptr_equal(stat_format__by_name((*f)->name), *f);
	assert_null(stat_format__by_name("tex"));
	assert_null(stat_format__by_name(""));
}

/* A name from an image that was not compared, or differs, says so wherever it is shown. */
static void names_in_doubt_are_marked(void **state)
{
	static const char *const formats[] = { "text", "csv", "json" };
	struct exit_stats *s;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		text = fix_stat_write(formats[i], fix_stats(), &by_function);
		assert_non_null(strstr(text, "worker_a"));
		assert_null(strstr(text, NAME_UNVERIFIED));
		free(text);
		s = fix_stats();
		s->vms[0].verified = false;
		text = fix_stat_write(formats[i], s, &by_function);
		assert_non_null(strstr(text, "worker_a" NAME_UNVERIFIED));
		free(text);
	}
}

/* --- JSON --- */

static void json_is_valid_and_complete(void **state)
{
	char *text = fix_stat_write("json", fix_stats(), &by_reason);

	(void)state;
	assert_json(text);
	assert_int_equal(strncmp(text, "{\"schema\":1,\"level\":\"exits\",", 27), 0);
	assert_non_null(strstr(text, "\"name\":\"net,\\\"1\\\"\",\"vmm\":\"solo5-hvt\",\"pid\":77,"
				     "\"verified\":false"));
	assert_non_null(strstr(text,
			       "{\"vcpu\":1,\"isa\":\"vmx\",\"reason_code\":12,\"reason\":\"HLT\","
			       "\"idle\":true,\"exits\":10,\"timed\":10,\"total_ns\":2500000000,"));
	assert_non_null(strstr(text, "\"reason_code\":2147483681,"
				     "\"reason\":\"INVALID_STATE FAILED_VMENTRY\",\"idle\":false"));
	assert_non_null(strstr(text,
			       "{\"function\":\"worker_a\",\"offset\":32,\"rip\":\"0x100120\","
			       "\"isa\":\"vmx\",\"reason_code\":30,\"reason\":\"IO_INSTRUCTION\","
			       "\"detail\":\"pio_out\",\"value\":\"0x3f8\","
			       "\"text\":\"out 0x3f8 (COM1)\",\"exits\":600"));
	assert_non_null(strstr(text, "{\"function\":null,\"offset\":null,\"rip\":null,"));
	assert_non_null(strstr(text, "{\"vector\":236,\"injected\":1234}"));
	assert_non_null(strstr(text, "{\"label\":\"unmatched\","));
	assert_non_null(
		strstr(text, "{\"program\":\"on_kvm_exit\",\"runs\":1574,\"run_ns\":330540}"));
	free(text);
	text = fix_stat_write("json", fix_stats_new(), &by_reason);
	assert_json(text);
	free(text);
}

/* --- edges --- */

static void nothing_at_all_is_fine(void **state)
{
	static const struct {
		const char *format;
		const char *want;
	} empty[] = {
		{ "text", "# no VMs\n" },
		{ "kvmexit", "" },
		{ "csv",
		  "vm,vcpu,isa,reason_code,reason,exits,timed,total_ns,min_ns,max_ns,user_exits,"
		  "user_ns\r\n" },
		{ "perf",
		  "\n\nAnalyze events for all VMs, all VCPUs:\n\n"
		  "             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time"
		  "         Avg time \n\n"
		  "\nTotal Samples:0, Total events handled time:0.00us.\n\n" },
	};
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(empty); i++) {
		text = fix_stat_write(empty[i].format, fix_stats_new(), &by_reason);
		assert_string_equal(text, empty[i].want);
		free(text);
	}
	exit_stats__free(NULL);
}

static struct exit_stats *quiet_vm(void)
{
	struct exit_vm vms[] = { { "quiet", "qemu", 1, NULL, false, { 0 } } };
	struct exit_stats *s = fix_stats_new();

	FIX_SET(s, vms, vms);
	fix_own_names(s);
	return s;
}

static void a_vm_without_exits_says_so(void **state)
{
	const struct stat_opts *const opts[] = { &by_reason, &by_vcpu };
	const struct stat_format *const *f;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(opts); i++) {
		text = fix_stat_write("text", quiet_vm(), opts[i]);
		assert_string_equal(
			text, "# vm quiet (qemu, PID 1), 10.0 s\n\n"
			      "no VM exits: the guest did not run, or never left guest mode\n");
		free(text);
		for (f = stat_format__table(); *f; f++)
			free(fix_stat_write((*f)->name, quiet_vm(), opts[i]));
	}
	text = fix_stat_write("text", quiet_vm(), &by_function);
	assert_non_null(strstr(text, "# vm quiet (qemu, PID 1), 10.0 s, no image\n\nno VM exits"));
	free(text);
}

static struct exit_stats *at_level_sampling(void)
{
	struct exit_level levels[] = {
		{ .name = "counters", .ns = 4000000000 },
		{ .name = "sampling", .ns = 6000000000, .samples = 300, .measured_samples = 30, .sample_run_ns = 45000 },
	};
	struct exit_kvm_stat kvm[] = {
		{ 0, strdup("exits"), 12345, true },
		{ 0, strdup("halt_exits"), 0, true },
		{ 0, strdup("pages_4k"), 77, false },
	};
	struct exit_stats *s = quiet_vm();

	s->level = "sampling";
	s->vms[0].nr_place[0] = 270;
	s->vms[0].nr_place[1] = 30;
	FIX_SET(s, levels, levels);
	FIX_SET(s, kvm, kvm);
	return s;
}

/* Without exits there is what KVM counts anyway, and what looking has cost. */
static void below_exits_kvm_speaks(void **state)
{
	char *text;

	(void)state;
	text = fix_stat_write("text", at_level_sampling(), &by_reason);
	assert_string_equal(text, "# vm quiet (qemu, PID 1), 10.0 s\n\n"
				  "300 samples: guest 90.0%, kvm 10.0%, vmm 0.0%\n\n"
				  "KVM's own statistics  count  per second\n"
				  "exits                 12345      1234.5\n"
				  "pages_4k                 77   (a state)\n"
				  "# level counters: 4.0 s, at no cost to the guest\n"
				  "# level sampling: 6.0 s, 300 samples at 1500 ns each\n");
	free(text);
	text = fix_stat_write("json", at_level_sampling(), &by_reason);
	assert_non_null(strstr(text, "\"samples\":{\"guest\":270,\"kvm\":30,\"vmm\":0}"));
	assert_non_null(strstr(text, "\"kvm\":{\n\"exits\":12345,\n\"halt_exits\":0,\n\"pages_4k\":77}"));
	assert_non_null(strstr(text, "{\"level\":\"sampling\",\"ns\":6000000000,\"exits\":0,\"samples\":300,"
				     "\"measured_exits\":0,\"exit_run_ns\":0,\"measured_samples\":30,"
				     "\"sample_run_ns\":45000}"));
	free(text);
}

/* Exits whose time is not known, in a window of no length. */
/* Shares are of what is shown; what was left out is still seen in the last line. */
static void chosen_reasons_alone_are_shown(void **state)
{
	struct exit_filter_item items[] = { { EXIT_ISA_VMX, 10 }, { EXIT_ISA_VMX, 48 } };
	struct exit_filter reasons = { items, ARRAY_SIZE(items) };
	const struct stat_opts chosen = { .reasons = &reasons };
	const struct stat_opts chosen_functions = { .by_function = true, .reasons = &reasons };
	char *text;

	(void)state;
	text = fix_stat_write("text", fix_stats(), &chosen);
	assert_non_null(strstr(
		text,
		"reason         exits  exits/s    time   time%     avg      p50      p99     max  handled in\n"
		"EPT_VIOLATION     40      4.0   200us   98.7%  5.00us  ~5.00us  ~5.00us  5.00us  kernel\n"
		"CPUID              3      0.3  2.70us    1.3%   900ns   ~900ns   ~900ns   900ns  kernel\n"
		"total             43      4.3   203us  100.0%  4.71us  ~5.00us  ~5.00us  5.00us  kernel\n"
		"\n"
		"all reasons     1575      158   8.52s       -  5.41ms  ~12.2us   ~300ms   300ms  vmm 70%\n"));
	assert_non_null(strstr(text, "PID 77), 10.0 s\n\nno VM exits of these reasons, 9 of others\n"));
	free(text);
	text = fix_stat_write("text", fix_stats(), &chosen_functions);
	assert_non_null(strstr(text,
			       "   40      4.0   200us  5.00us  [rip unknown]  EPT_VIOLATION"));
	assert_non_null(strstr(text, "   43      4.3   203us  4.71us  total\n"
				     " 1573      157   8.52s  5.42ms  all reasons\n"));
	assert_non_null(strstr(text, "\n\nno VM exits of these reasons, 7 of others\n"));
	free(text);
	text = fix_stat_write("perf", fix_stats(), &chosen);
	assert_non_null(strstr(text, "\nTotal Samples:43, Total events handled time:202.70us.\n"));
	assert_null(strstr(text, "HLT"));
	free(text);
	text = fix_stat_write("kvmexit", fix_stats(), &chosen);
	assert_string_equal(text,
			    "Display kvm exit reasons and statistics for PID 4242 after sleeping 10 secs.\n"
			    "KVM_EXIT_REASON                     COUNT\n"
			    "EPT_VIOLATION                       40      \n"
			    "CPUID                               3       \n"
			    "Display kvm exit reasons and statistics for PID 77 after sleeping 10 secs.\n"
			    "KVM_EXIT_REASON                     COUNT\n");
	free(text);
	text = fix_stat_write("json", fix_stats(), &chosen);
	assert_json(text);
	assert_non_null(strstr(text, "\"all\":{\"exits\":1575,\"timed\":1574,\"total_ns\":8519702700},\n"));
	assert_non_null(strstr(text, "\"reason\":\"CPUID\""));
	assert_null(strstr(text, "HLT"));
	assert_null(strstr(text, "IO_INSTRUCTION"));
	free(text);
	text = fix_stat_write("csv", fix_stats(), &chosen);
	assert_non_null(strstr(text, "\r\nweb0,0,vmx,48,EPT_VIOLATION,40,"));
	assert_null(strstr(text, "HLT"));
	free(text);
	text = fix_stat_write("csv", fix_stats(), &chosen_functions);
	assert_non_null(strstr(text, ",CPUID,"));
	assert_null(strstr(text, "HLT"));
	free(text);
}

static void what_is_not_known_is_a_dash(void **state)
{
	struct exit_row rows[] = { fix_row(0, 0, EXIT_ISA_VMX, 10, 0, 0, 0) };
	struct exit_stats *s = quiet_vm();
	char *text;

	(void)state;
	rows[0].count = 5;
	s->duration_ns = 0;
	FIX_SET(s, rows, rows);
	text = fix_stat_write("text", s, &by_reason);
	assert_string_equal(text,
			    "# vm quiet (qemu, PID 1), 0.0 s\n\n"
			    "reason  exits  exits/s  time  time%  avg  p50  p99  max  handled in\n"
			    "CPUID       5        -     -      -    -    -    -    -  -\n"
			    "total       5        -     -      -    -    -    -    -  -\n");
	free(text);
}

static void times_have_three_digits_and_a_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} times[] = {
		{ 0, "0ns" },
		{ 7, "7ns" },
		{ 999, "999ns" },
		{ 1000, "1.00us" },
		{ 1234, "1.23us" },
		{ 9994, "9.99us" },
		{ 9995, "10.0us" },
		{ 99949, "99.9us" },
		{ 99950, "100us" },
		{ 999499, "999us" },
		{ 999500, "1.00ms" },
		{ 12345678, "12.3ms" },
		{ 999500000, "1.00s" },
		{ 59960000000, "60.0s" },
		{ 1234500000000, "1235s" },
		{ UINT64_MAX, "18446744074s" },
	};
	struct exit_stats *s;
	char *text, want[64];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(times); i++) {
		struct exit_row rows[] = { fix_row(0, 0, EXIT_ISA_SVM, 0x72, 1, times[i].ns, 0) };

		s = quiet_vm();
		FIX_SET(s, rows, rows);
		text = fix_stat_write("text", s, &by_reason);
		snprintf(want, sizeof(want), "  %s  kernel\ntotal", times[i].want);
		if (!strstr(text, want))
			fail_msg("%" PRIu64 " ns: not '%s' in %s", times[i].ns, want, text);
		free(text);
	}
}

/* The columns of the table of reasons add up to its totals, and those of all vCPUs to the VM's. */
static void totals_add_up(void **state)
{
	char *text = fix_stat_write("text", fix_stats(), &by_vcpu), *save = NULL, *line;
	unsigned long long n, sum = 0, all = 0, nr_totals = 0;
	char *digits;

	(void)state;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "interrupts", 10))
			break;
		digits = strstr(line, "  ");
		if (!digits || sscanf(digits, " %llu", &n) != 1)
			continue;
		if (!strncmp(line, "total ", 6)) {
			assert_int_equal(n, sum);
			nr_totals++;
			all += strncmp(line, "total with", 10) ? 0 : n;
			if (!strncmp(line, "total with", 10))
				sum = 0;
		} else {
			sum += n;
		}
	}
	assert_int_equal(nr_totals, 4);
	assert_int_equal(all, 1575);
	free(text);
}

static void percentiles_stay_within_the_extremes(void **state)
{
	struct exit_row row = fix_row(0, 0, EXIT_ISA_VMX, 10, 1, 700, 0);
	unsigned int p;

	(void)state;
	for (p = 1; p <= 100; p++)
		assert_int_equal(stat_rows__percentile_ns(&row, p), 700);
	memset(&row, 0, sizeof(row));
	assert_int_equal(stat_rows__percentile_ns(&row, 50), 0);
	row.min_ns = 0;
	row.max_ns = UINT64_MAX;
	row.buckets[0] = 1;  /* 0 and 1 */
	row.buckets[10] = 4; /* 1024 to 2047 */
	row.buckets[20] = 95;
	assert_int_equal(stat_rows__percentile_ns(&row, 1), 1);
	assert_int_equal(stat_rows__percentile_ns(&row, 3), 1024 + 1024 * 3 / 8);
	assert_int_equal(stat_rows__percentile_ns(&row, 5), 1024 + 1024 * 7 / 8);
	assert_in_range(stat_rows__percentile_ns(&row, 50), 1 << 20, 2 << 20);
	assert_in_range(stat_rows__percentile_ns(&row, 100), (2 << 20) - 10000, 2 << 20);
	memset(row.buckets, 0, sizeof(row.buckets));
	row.buckets[EXIT_NR_BUCKETS - 1] = UINT64_MAX;
	assert_in_range(stat_rows__percentile_ns(&row, 99), 1ull << 39, 1ull << 40);
}

/* Terminals obey control characters, and a line break would be a row; nothing that a guest names brings one. */
static void hostile_names_stay_names(void **state)
{
	const struct stat_opts *const opts[] = { &by_reason, &by_function, &by_vcpu };
	const struct stat_format *const *f;
	size_t i, k, n, len;
	uint32_t cp;
	char *text;

	(void)state;
	for (f = stat_format__table(); *f; f++) {
		for (i = 0; i < ARRAY_SIZE(opts); i++) {
			text = fix_stat_write((*f)->name, fix_hostile_stats(), opts[i]);
			len = strlen(text);
			for (k = 0; k < len; k += n) {
				n = utf8__decode(text + k, len - k, &cp);
				assert_true(n);
				if (cp == '\r') /* CSV's line ends, whose fields have neither */
					assert_int_equal(text[k + 1], '\n');
				else
					assert_true(cp == '\n' || (cp >= 0x20 && cp != 0x7f &&
								   !(cp >= 0x80 && cp < 0xa0)));
			}
			if (!strcmp((*f)->name, "json"))
				assert_json(text);
			free(text);
		}
	}
}

static void sums_stop_at_the_largest_number(void **state)
{
	struct exit_row rows[] = {
		fix_row(0, 0, EXIT_ISA_VMX, 10, UINT64_MAX, 1, UINT64_MAX),
		fix_row(0, 0, EXIT_ISA_VMX, 30, UINT64_MAX, 1, 0),
		fix_row(0, 1, EXIT_ISA_VMX, 30, UINT64_MAX, 1, 0),
	};
	struct exit_site sites[] = {
		{ 0, EXIT_ISA_VMX, 30, 0, 0, 8, true, UINT64_MAX, UINT64_MAX, 0 },
		{ 0, EXIT_ISA_VMX, 10, 0, 0, 9, true, UINT64_MAX, UINT64_MAX, 0 },
	};
	const struct stat_format *const *f;
	struct exit_stats *s;
	char *text;

	(void)state;
	for (f = stat_format__table(); *f; f++) {
		s = quiet_vm();
		FIX_SET(s, rows, rows);
		FIX_SET(s, sites, sites);
		text = fix_stat_write((*f)->name, s, &by_reason);
		if (!strcmp((*f)->name, "text")) {
			assert_non_null(strstr(text, "\ntotal           18446744073709551615  "));
			assert_non_null(strstr(text, " 100.0%  1ns  ~1ns  ~1ns  1ns  vmm\n"));
		}
		free(text);
	}
	s = quiet_vm();
	FIX_SET(s, sites, sites);
	text = fix_stat_write("text", s, &by_function);
	assert_non_null(strstr(
		text, "\n18446744073709551615  18446744073709551615  18446744074s  1ns  total\n"));
	free(text);
}

/* Several VMs are "all VMs", one goes by its PID. */
static void perf_tells_whose_exits_these_are(void **state)
{
	char *text = fix_stat_write("perf", quiet_vm(), &by_reason);

	(void)state;
	assert_non_null(strstr(text, "\n\nAnalyze events for pid(s) 1, all VCPUs:\n\n"));
	assert_null(strstr(text, "Lost events"));
	free(text);
	text = fix_stat_write("perf", fix_stats(), &by_vcpu);
	assert_non_null(strstr(text, "\n\nAnalyze events for pid(s) 4242, VCPU 1:\n\n"));
	assert_non_null(strstr(text, "\n\nAnalyze events for pid(s) 77, VCPU 0:\n\n"));
	free(text);
}

static void csv_has_as_many_fields_in_every_row(void **state)
{
	const struct stat_opts *const opts[] = { &by_reason, &by_function };
	size_t i, nr_fields, nr_rows, want;
	char *text, *p;
	bool quoted;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(opts); i++) {
		text = fix_stat_write("csv", fix_hostile_stats(), opts[i]);
		want = i ? 9 : 12;
		for (p = text, nr_fields = 1, nr_rows = 0, quoted = false; *p; p++) {
			if (*p == '"') {
				quoted = !quoted;
			} else if (*p == ',' && !quoted) {
				nr_fields++;
			} else if (*p == '\n') {
				assert_false(quoted);
				assert_int_equal(nr_fields, want);
				nr_fields = 1;
				nr_rows++;
			}
		}
		assert_int_equal(nr_rows, 1 + ARRAY_SIZE(fix_hostile_names));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts_are_exactly_these),
		cmocka_unit_test(layouts_do_not_depend_on_the_locale),
		cmocka_unit_test(formats_are_found_by_name),
		cmocka_unit_test(names_in_doubt_are_marked),
		cmocka_unit_test(json_is_valid_and_complete),
		cmocka_unit_test(nothing_at_all_is_fine),
		cmocka_unit_test(a_vm_without_exits_says_so),
		cmocka_unit_test(below_exits_kvm_speaks),
		cmocka_unit_test(chosen_reasons_alone_are_shown),
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(times_have_three_digits_and_a_unit),
		cmocka_unit_test(totals_add_up),
		cmocka_unit_test(percentiles_stay_within_the_extremes),
		cmocka_unit_test(hostile_names_stay_names),
		cmocka_unit_test(sums_stop_at_the_largest_number),
		cmocka_unit_test(perf_tells_whose_exits_these_are),
		cmocka_unit_test(csv_has_as_many_fields_in_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
