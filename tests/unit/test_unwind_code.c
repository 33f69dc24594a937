/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables made from code say what the compilers' own tables say. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "code_flow.h"
#include "image.h"
#include "unwind_cfi.h"
#include "unwind_code.h"
#include "unwind_rules.h"

static const char *beside(const char *name)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 256);

	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	return path;
}

/* --- against what compilers say --- */

/* Bytes of code by what the two say of them. */
struct tally {
	uint64_t same;
	uint64_t early;	   /* RBP is saved already, and still in RBP: clang tells behind the last PUSH */
	uint64_t ends;	   /* the compiler was told that stacks end here; the code does not say */
	uint64_t other;
	uint64_t only_cfi, only_code;
};

static const struct ukp_unwind_rule *rule_at(const struct unwind_cfi *cfi, const struct unwind_rules *rules, uint64_t addr,
					     size_t *at)
{
	static const struct ukp_unwind_rule none;

	while (*at < cfi->nr && cfi->rows[*at].addr <= addr)
		(*at)++;
	return *at ? &unwind_rules__all(rules)[cfi->rows[*at - 1].rule] : &none;
}

static void count(struct tally *t, const struct ukp_unwind_rule *code, const struct ukp_unwind_rule *cfi)
{
	bool same_rbp = code->rbp == cfi->rbp && code->rbp_offset == cfi->rbp_offset;

	if (code->cfa < UKP_CFA_END || cfi->cfa < UKP_CFA_END) {
		t->only_cfi += cfi->cfa >= UKP_CFA_END;
		t->only_code += code->cfa >= UKP_CFA_END;
	} else if (cfi->cfa == UKP_CFA_END) {
		*(code->cfa == UKP_CFA_END ? &t->same : &t->ends) += 1;
	} else if (code->cfa != cfi->cfa || code->cfa_offset != cfi->cfa_offset || code->ra_offset != cfi->ra_offset) {
		t->other++;
	} else if (same_rbp || code->rbp == UKP_RBP_SAME) {
		/* Compilers leave a register where it was saved; behind the POP it is in itself again. */
		t->same++;
	} else if (cfi->rbp == UKP_RBP_SAME && code->rbp == UKP_RBP_AT_CFA && code->rbp_offset == -16) {
		t->early++;
	} else {
		t->other++;
	}
}

static struct tally compare(const char *path, bool is_eh)
{
	struct unwind_cfi code, cfi;
	struct unwind_rules *rules;
	struct tally t = { 0 };
	struct image *img;
	size_t i, k = 0;
	uint64_t addr;

	assert_int_equal(image__open(&img, path), IMAGE_OK);
	assert_int_equal(unwind_rules__new(&rules), 0);
	assert_int_equal(unwind_cfi__read(&cfi, img, is_eh, rules), 0);
	assert_int_equal(unwind_code__read(&code, img, rules), 0);
	assert_true(code.nr && cfi.nr);
	assert_int_equal(code.rows[code.nr - 1].rule, UKP_UNWIND_RULE_NONE);
	for (i = 0; i + 1 < code.nr; i++) {
		assert_true(code.rows[i].addr < code.rows[i + 1].addr);
		for (addr = code.rows[i].addr; addr < code.rows[i + 1].addr; addr++)
			count(&t, &unwind_rules__all(rules)[code.rows[i].rule], rule_at(&cfi, rules, addr, &k));
	}
	unwind_cfi__release(&code);
	unwind_cfi__release(&cfi);
	unwind_rules__free(rules);
	image__free(img);
	return t;
}

/* Not one byte may be another; nine of ten are covered (cold parts and stubs are not). */
static void assert_agrees(const char *path, bool is_eh)
{
	struct tally t = compare(path, is_eh);

	if (t.other || t.only_code > 64 || t.ends > 16 || t.early * 50 > t.same || t.only_cfi * 10 > t.same)
		fail_msg("%s: same %lu, early %lu, end %lu, other %lu, only in the table %lu, only from code %lu", path, t.same,
			 t.early, t.ends, t.other, t.only_cfi, t.only_code);
}

static void guests_agree(void **state)
{
	static const char *const compilers[] = { "gcc", "clang" }, *const levels[] = { "O0", "O2", "O3lto" },
				 *const frames[] = { "fp", "nofp" };
	static const char *const others[] = { "shares", "shares-nofp", "shares-leaf", "shares-pie", "deep", "deep-nofp", "exits",
					      "exits-nofp", "threads" };
	char name[128];
	size_t i;

	(void)state;
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "../guest/fanin-%s-%s-%s", compilers[i / 6], levels[i / 2 % 3], frames[i % 2]);
		assert_agrees(beside(name), true);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(name, sizeof(name), "../guest/%s", others[i]);
		assert_agrees(beside(name), true);
	}
	assert_agrees(beside("../guest/callers"), false);
}

/* This very program and the library: larger functions, jump tables, calls that do not return, variable arrays. */
static void large_programs_agree(void **state)
{
	struct tally t;

	(void)state;
	assert_agrees("/proc/self/exe", true);
	/* Of a library without symbols the exported functions are known. */
	t = compare("/usr/lib/x86_64-linux-gnu/libc.so.6", true);
	assert_int_equal(t.other, 0);
	assert_true(t.same > 200000);
}

/* --- by hand --- */

#define AT(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static struct code_point points[4096];

static int follow(const uint8_t *code, size_t len)
{
	return code_flow__follow(code, len, 0x1000, points);
}

static void pushes_and_pops_are_counted(void **state)
{
	(void)state;
	/* push rbx; sub rsp, 0x20; call +0; add rsp, 0x20; pop rbx; ret */
	assert_int_equal(follow(AT(0x53, 0x48, 0x83, 0xec, 0x20, 0xe8, 0, 1, 0, 0, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3)), 0);
	assert_int_equal(points[0].state.height, 8);
	assert_int_equal(points[1].state.height, 16);
	assert_int_equal(points[5].state.height, 48);
	assert_int_equal(points[10].state.height, 48);
	assert_int_equal(points[14].state.height, 16);
	assert_int_equal(points[15].state.height, 8);
	assert_int_equal(points[2].len, 0);
}

static void frame_pointers_survive_what_rsp_does_not(void **state)
{
	(void)state;
	/* push rbp; mov rbp, rsp; sub rsp, rax; and rsp, -32; leave; ret */
	assert_int_equal(follow(AT(0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0x48, 0x83, 0xe4, 0xe0, 0xc9, 0xc3)), 0);
	assert_int_equal(points[4].state.frame, 16);
	assert_int_equal(points[4].state.saved, 16);
	assert_int_equal(points[7].state.height, CODE_FLOW_UNKNOWN);
	assert_int_equal(points[11].state.frame, 16);
	assert_int_equal(points[12].state.height, 8);
	assert_int_equal(points[12].state.saved, 0);
	/* Without one nothing is known behind: sub rsp, rax; add rsp, rax; ret */
	assert_int_equal(follow(AT(0x48, 0x29, 0xc4, 0x48, 0x01, 0xc4, 0xc3)), -EINVAL);
	/* Nor where it is overwritten: push rbp; mov rbp, rsp; sub rsp, rax; mov rbp, rax; leave; ret */
	assert_int_equal(follow(AT(0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0x48, 0x89, 0xc5, 0xc9, 0xc3)), -EINVAL);
}

static void a_function_leaves_the_stack_as_it_was(void **state)
{
	(void)state;
	assert_int_equal(follow(AT(0xc3)), 0);
	assert_int_equal(follow(AT(0x53, 0xc3)), -EINVAL);	 /* push rbx; ret */
	assert_int_equal(follow(AT(0x5b, 0xc3)), -EINVAL);	 /* pop rbx; ret */
	assert_int_equal(follow(AT(0x48, 0xcf)), -EINVAL);	 /* iretq */
	assert_int_equal(follow(AT(0x48, 0x89, 0xc4, 0xc3)), -EINVAL); /* mov rsp, rax; ret */
	assert_int_equal(follow(AT(0x48, 0x94, 0xc3)), -EINVAL); /* xchg rsp, rax; ret */
	assert_int_equal(follow(AT(0x31, 0xed, 0xc3)), -EINVAL); /* xor ebp, ebp; ret: the caller's is lost */
	assert_int_equal(follow(AT(0x90)), -EINVAL);		 /* into what is behind */
	assert_int_equal(follow(AT(0x06)), -EINVAL);		 /* no instruction */
	assert_int_equal(follow(AT(0xe8, 0, 1)), -EINVAL);	 /* cut */
	assert_int_equal(follow((const uint8_t *)"", 0), -EINVAL);
}

static void paths_that_meet_must_agree(void **state)
{
	(void)state;
	/* test eax, eax; je 5; push rbx; 5: ret */
	assert_int_equal(follow(AT(0x85, 0xc0, 0x74, 0x01, 0x53, 0xc3)), -EINVAL);
	/* test eax, eax; je 6; push rbx; pop rbx; 6: ret */
	assert_int_equal(follow(AT(0x85, 0xc0, 0x74, 0x02, 0x53, 0x5b, 0xc3)), 0);
	/* a loop: 0: push rbx; jmp 0 */
	assert_int_equal(follow(AT(0x53, 0xeb, 0xfd)), -EINVAL);
}

/* push rbx; test eax, eax; je 10; push rcx; call 0x1111; 10: pop rbx; ret. Behind the call there is one word too many. */
static void a_call_that_can_not_return_does_not(void **state)
{
	(void)state;
	assert_int_equal(follow(AT(0x53, 0x85, 0xc0, 0x74, 0x06, 0x51, 0xe8, 0, 1, 0, 0, 0x5b, 0xc3)), 0);
	assert_int_equal(points[6].state.height, 24);
	assert_int_equal(points[11].state.height, 16);
	/* At the end it may stand, too: sub rsp, 8; call 0x1111 */
	assert_int_equal(follow(AT(0x48, 0x83, 0xec, 0x08, 0xe8, 0, 1, 0, 0)), 0);
}

/* push rbx; jmp [rax*8]; nop; pop rbx; ret; nop word [rax+rax]; push rcx; pop rcx; pop rbx; ret */
static void what_a_table_leads_to_has_the_stack_of_the_jump(void **state)
{
	(void)state;
	assert_int_equal(follow(AT(0x53, 0xff, 0x24, 0xc5, 0, 0, 0, 0, 0x90, 0x5b, 0xc3, 0x66, 0x0f, 0x1f, 0x04, 0x00, 0x51, 0x59, 0x5b,
				   0xc3)),
			 0);
	assert_int_equal(points[8].len, 0);
	assert_int_equal(points[9].state.height, 16);
	assert_int_equal(points[16].state.height, 16);
	assert_int_equal(points[17].state.height, 24);
	/* A jump with nothing on the stack is a tail call: jmp rax */
	assert_int_equal(follow(AT(0xff, 0xe0)), 0);
}

/* Whatever the bytes are it ends, and says that of instructions that are there. */
static void any_bytes_are_followed_to_an_end(void **state)
{
	uint8_t code[512];
	unsigned int round;
	size_t i, nr = 0;

	(void)state;
	srand(7);
	for (round = 0; round < 20000; round++) {
		for (i = 0; i < sizeof(code); i++)
			code[i] = rand() % 4 ? rand() : "\x53\x5b\xc3\xe8\xeb\x74\x55\xc9"[rand() % 8];
		if (follow(code, 1 + rand() % sizeof(code)))
			continue;
		nr++;
		for (i = 0; i < sizeof(code); i++)
			assert_in_range(points[i].len, 0, 15);
	}
	assert_true(nr > 100);
	/* The dearest: each byte a gap behind a jump through a table. */
	static uint8_t large[CODE_FLOW_MAX_LEN + 1];
	struct code_point *all = calloc(sizeof(large), sizeof(*all));

	assert_non_null(all);
	memset(large, 0xcc, sizeof(large));
	memcpy(large, "\x53\xff\x20", 3);
	for (i = 3; i + 4 < sizeof(large); i += 4)
		memcpy(large + i, "\xff\x20\xcc\xcc", 4);
	assert_int_equal(code_flow__follow(large, CODE_FLOW_MAX_LEN, 0, all), 0);
	assert_int_equal(code_flow__follow(large, sizeof(large), 0, all), -EINVAL);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushes_and_pops_are_counted),
		cmocka_unit_test(frame_pointers_survive_what_rsp_does_not),
		cmocka_unit_test(a_function_leaves_the_stack_as_it_was),
		cmocka_unit_test(paths_that_meet_must_agree),
		cmocka_unit_test(a_call_that_can_not_return_does_not),
		cmocka_unit_test(what_a_table_leads_to_has_the_stack_of_the_jump),
		cmocka_unit_test(any_bytes_are_followed_to_an_end),
		cmocka_unit_test(guests_agree),
		cmocka_unit_test(large_programs_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
