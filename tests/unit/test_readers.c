/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images read by processes without rights: the same answers as without, and what becomes of bad images and of bad readers. */
#include "elf_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "fd_msg.h"
#include "image_names.h"
#include "log.h"
#include "reader_child.h"
#include "reader_filter.h"
#include "reader_msg.h"
#include "readers.h"
#include "sym_answers.h"
#include "symbolizer.h"
#include "unwind_table.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define BASE	  0x100000ull

#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER true
#else
#define HAS_SANITIZER false
#endif

static const struct elf_sym syms[] = {
	{ "kmain", BASE, 0x1000, STB_GLOBAL, STT_FUNC, ELF_TEXT },
	{ "_ZN4math3addEii", BASE + 0x1000, 0x1000, STB_GLOBAL, STT_FUNC, ELF_TEXT },
};
static const struct elf_desc small = { .text_len = 0x2000, .seed = 1, .syms = syms, .nr_syms = 2 };

static struct readers *start(const struct readers_opts *opts)
{
	struct readers *rs = NULL;

	assert_int_equal(readers__start(&rs, opts), 0);
	return rs;
}

static char *small_file(char name)
{
	struct strbuf sb = elf_build(&small);
	char *path;
	FILE *f;

	assert_true(asprintf(&path, "%s.%c", elf_path, name) > 0);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(sb.data, 1, sb.len, f), sb.len);
	assert_int_equal(fclose(f), 0);
	strbuf__free(&sb);
	return path;
}

static struct reader *opened(struct readers *rs, const char *path)
{
	struct reader *r = NULL;

	assert_int_equal(reader__open(rs, path, false, &r), IMAGE_OK);
	return r;
}

/* Return: of reader__functions(). */
static int ask(struct reader *r)
{
	const uint64_t addrs[] = { BASE + 4, BASE + 0x1004, BASE + 0x5000 };
	struct sym_answers a;
	int err = reader__functions(r, addrs, NR(addrs), true, &a);

	if (err)
		return err;
	assert_int_equal(a.nr, 3);
	assert_int_equal(a.counts[0], 1);
	assert_int_equal(a.counts[1], 1);
	assert_int_equal(a.counts[2], 0);
	assert_string_equal(a.strings + a.frames[0].name, "kmain");
	assert_string_equal(a.strings + a.frames[1].name, "math::add");
	assert_int_equal(a.frames[1].start, BASE + 0x1000);
	sym_answers__release(&a);
	return 0;
}

static size_t nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void assert_no_children(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* --- the same answers --- */

static void assert_same_names(struct symbolizer *here, struct symbolizer *there, uint64_t addr)
{
	const struct sym_frame *a, *b;
	const char *la, *lb;
	size_t nr, i;

	nr = symbolizer__resolve(here, addr, false, &a);
	assert_int_equal(symbolizer__resolve(there, addr, false, &b), nr);
	for (i = 0; i < nr; i++) {
		assert_string_equal(a[i].name, b[i].name);
		assert_true(a[i].start == b[i].start && a[i].line == b[i].line);
		assert_true(a[i].is_inline == b[i].is_inline && a[i].is_unverified == b[i].is_unverified);
		assert_true(!a[i].file == !b[i].file);
		if (a[i].file)
			assert_string_equal(a[i].file, b[i].file);
	}
	la = symbolizer__library(here, addr, false);
	lb = symbolizer__library(there, addr, false);
	assert_true(!la == !lb);
	if (la && *la != '[') /* "[name of the file]": it has no name there */
		assert_string_equal(la, lb);
}

/* Of this very program, which has lines and inlined functions. */
static void a_reader_answers_as_this_process_would(void **state)
{
	struct symbolizer *here = NULL, *there = NULL;
	struct readers *rs = start(NULL);
	struct unwind_arrays ta, tb;
	struct unwind_table *a = NULL, *b = NULL;
	const struct image_text *text;
	struct image_facts facts;
	struct image *img = NULL;
	struct sym_source src;
	struct reader *r = opened(rs, "/proc/self/exe");
	uint64_t x = 88172645463325252ull, addr;
	size_t i, nr_named = 0;
	const struct sym_frame *frames;

	(void)state;
	assert_int_equal(image__open(&img, "/proc/self/exe"), IMAGE_OK);
	image__facts(img, &facts);
	assert_memory_equal(&facts, reader__facts(r), sizeof(facts));
	assert_int_equal(unwind_table__new(&a, img), 0);
	assert_int_equal(reader__unwind_table(r, &b), 0);
	unwind_table__arrays(a, &ta);
	unwind_table__arrays(b, &tb);
	assert_true(ta.nr_pages == tb.nr_pages && ta.nr_rows == tb.nr_rows && ta.nr_rules == tb.nr_rules && ta.base == tb.base);
	assert_memory_equal(ta.pages, tb.pages, ta.nr_pages * sizeof(*ta.pages));
	assert_memory_equal(ta.rows, tb.rows, ta.nr_rows * sizeof(*ta.rows));
	assert_memory_equal(ta.rules, tb.rules, ta.nr_rules * sizeof(*ta.rules));
	unwind_table__free(a);
	unwind_table__free(b);

	text = image__text(img, 0);
	assert_int_equal(symbolizer__new(&here), 0);
	assert_int_equal(symbolizer__new(&there), 0);
	assert_int_equal(reader__source(r, true, &src), 0);
	assert_true(src.has_lines);
	assert_int_equal(symbolizer__add_source(there, &src, 0x1000, true), 0);
	for (i = 0; i < 3000; i++) {
		addr = text->addr + 0x1000 + next_random(&x) % text->len;
		symbolizer__expect(there, addr, i & 1);
	}
	assert_int_equal(symbolizer__add_image(here, img, 0x1000, true), 0);
	for (x = 88172645463325252ull, i = 0; i < 3000; i++) {
		addr = facts.texts[0].addr + 0x1000 + next_random(&x) % facts.texts[0].len;
		assert_same_names(here, there, addr);
		nr_named += symbolizer__resolve(there, addr, false, &frames) > 0;
	}
	assert_true(nr_named > 1500);
	symbolizer__put(here);
	symbolizer__put(there);
	reader__put(r);
	readers__stop(rs);
	assert_no_children();
}

static void the_guests_code_is_found(void **state)
{
	struct readers *rs = start(NULL);
	char *path = small_file('a');
	struct reader *r = opened(rs, path);
	enum locate_result result;
	uint64_t wrong = 0x7000;
	struct locate_info info;
	uint8_t text[0x2000];
	struct locate_probe p = { .gva = BASE + 0x5100, .rip = BASE + 0x5110, .len = 256, .bytes = text + 0x100 };

	(void)state;
	elf_random_text(text, sizeof(text), small.seed);
	assert_int_equal(reader__locate(r, &p, 1, NULL, &result, &info), 0);
	assert_int_equal(result, LOCATE_FOUND);
	assert_int_equal(info.bias, 0x5000);
	assert_int_equal(reader__locate(r, &p, 1, &wrong, &result, &info), 0);
	assert_int_equal(result, LOCATE_NOT_COVERED);
	assert_int_equal(reader__locate(r, NULL, 0, NULL, &result, &info), 0);
	assert_int_equal(result, LOCATE_NO_PROBES);
	reader__put(r);
	readers__stop(rs);
	free(path);
}

static void what_is_no_image_has_its_verdict(void **state)
{
	struct readers *rs = start(NULL);
	struct reader *r = NULL;

	(void)state;
	assert_int_equal(reader__open(NULL, "/proc/self/exe", false, &r), IMAGE_UNREADABLE);
	assert_int_equal(reader__open(rs, "/nonexistent", false, &r), IMAGE_UNREADABLE);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(reader__open(rs, "/", false, &r), IMAGE_UNREADABLE);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(reader__open(rs, "/dev/null", false, &r), IMAGE_UNREADABLE);
	elf_write("hello", 5);
	assert_int_equal(reader__open(rs, elf_path, false, &r), IMAGE_NOT_ELF);
	elf_write(ELFMAG, 4);
	assert_int_equal(reader__open(rs, elf_path, false, &r), IMAGE_NOT_ELF);
	assert_null(r);
	assert_int_equal(readers__nr_live(rs), 0);
	readers__stop(rs);
}

/* --- rights --- */

static char *status_of(pid_t pid, const char *key)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) || line[strlen(key)] != ':')
			continue;
		fclose(f);
		line[strcspn(line, "\n")] = '\0';
		return line + strlen(key) + 1 + strspn(line + strlen(key) + 1, " \t");
	}
	fail_msg("no %s", key);
	return NULL;
}

/* Capabilities by their numbers: CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_PTRACE. */
static bool is_real_root(void)
{
	const uint64_t all = 1u << 6 | 1u << 7 | 1u << 8 | 1u << 19;

	return !geteuid() && (strtoull(status_of(getpid(), "CapEff"), NULL, 16) & all) == all;
}

static void a_reader_has_no_rights(void **state)
{
	static const char *const caps[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	struct readers *rs = start(NULL);
	char *path = small_file('a'), dir[64], fd[96], target[128];
	struct reader *r = opened(rs, path);
	size_t i, nr_sockets = 0, nr_images = 0, nr_null = 0, nr_others = 0;
	struct dirent *e;
	ssize_t len;
	DIR *fds;

	(void)state;
	assert_int_equal(ask(r), 0);
	for (i = 0; i < NR(caps); i++)
		assert_string_equal(status_of(reader__pid(r), caps[i]), "0000000000000000");
	assert_string_equal(status_of(reader__pid(r), "NoNewPrivs"), "1");
	assert_string_equal(status_of(reader__pid(r), "Seccomp"), "2");
	assert_string_equal(status_of(reader__pid(r), "Threads"), "1");
	if (is_real_root())
		assert_int_equal(strncmp(status_of(reader__pid(r), "Uid"), "65534\t65534\t65534\t65534", 23), 0);
	if (is_real_root()) {
		assert_string_equal(status_of(reader__pid(r), "CapBnd"), "0000000000000000");
		/* Its line and its image, and nothing of this process. */
		snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)reader__pid(r));
		fds = opendir(dir);
		assert_non_null(fds);
		while ((e = readdir(fds))) {
			if (*e->d_name == '.')
				continue;
			snprintf(fd, sizeof(fd), "%s/%.16s", dir, e->d_name);
			len = readlink(fd, target, sizeof(target) - 1);
			assert_true(len > 0);
			target[len] = '\0';
			nr_sockets += !strncmp(target, "socket:", 7);
			nr_images += !strcmp(target, path);
			nr_null += !strcmp(target, "/dev/null");
			nr_others += strncmp(target, "socket:", 7) && strcmp(target, path) && strcmp(target, "/dev/null");
		}
		closedir(fds);
		assert_int_equal(nr_sockets, 1);
		assert_in_range(nr_images, 1, 2); /* and a copy for the lines */
		assert_int_equal(nr_null, HAS_SANITIZER ? 2 : 3);
		assert_int_equal(nr_others, HAS_SANITIZER); /* standard error */
	}
	reader__put(r);
	readers__stop(rs);
	free(path);
}

/* Return: what a child in the filter of readers ends with. */
static int in_filter(int (*what)(long arg), long arg)
{
	struct reader_filter *f = NULL;
	int status;
	pid_t child;

	assert_int_equal(reader_filter__new(&f), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_DUMPABLE, 0);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(reader_filter__nursery(f) || reader_filter__reader(f) ? 99 : what(arg));
	}
	reader_filter__free(f);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int call(long nr)
{
	return syscall(nr, 0L, 0L, 0L, 0L, 0L, 0L) == -1 ? errno : 0;
}

static int open_to_read(long arg)
{
	(void)arg;
	return open("/dev/null", O_RDONLY) < 0 ? errno : 0;
}

static int map_code(long arg)
{
	(void)arg;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int use_memory(long arg)
{
	char *p = malloc(arg);

	if (!p)
		return errno;
	memset(p, 1, arg);
	return p[arg - 1] - 1;
}

static void nothing_can_be_done_to_others(void **state)
{
	static const long calls[] = {
		SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3,
		SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf, SYS_perf_event_open, SYS_kill, SYS_tkill, SYS_tgkill,
		SYS_socket, SYS_connect, SYS_bind, SYS_unlink, SYS_rename, SYS_mount, SYS_chroot, SYS_setns, SYS_unshare, SYS_prctl,
		SYS_seccomp, SYS_setuid, SYS_capset, SYS_setrlimit, SYS_prlimit64, SYS_ioctl, SYS_memfd_create, SYS_pidfd_open,
		SYS_io_uring_setup, SYS_userfaultfd, SYS_keyctl, SYS_pwrite64, SYS_ftruncate, SYS_dup2, 10000 /* of a kernel to come */,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR(calls); i++) {
		int status = in_filter(call, calls[i]);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != EPERM)
			fail_msg("system call %ld: status %#x", calls[i], status);
	}
	assert_int_equal(WEXITSTATUS(in_filter(open_to_read, 0)), EPERM);
	assert_int_equal(WEXITSTATUS(in_filter(map_code, 0)), EPERM);
	assert_int_equal(in_filter(use_memory, 32 << 20), 0);
}

/* --- bad ends --- */

/* A process that ends another one in a while, as if that had come to it by itself. */
static pid_t end_soon(pid_t victim, int sig)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		usleep(100000);
		kill(victim, sig);
		kill(victim, SIGCONT);
		_exit(0);
	}
	return pid;
}

static void a_crash_takes_one_image_with_it(void **state)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGKILL };
	struct readers *rs = start(NULL);
	char *bad_path = small_file('a'), *good_path = small_file('b');
	struct reader *bad, *good = opened(rs, good_path), *r = NULL;
	size_t i, fds;
	pid_t helper;

	(void)state;
	fds = nr_fds();
	for (i = 0; i < NR(sigs); i++) {
		free(bad_path);
		bad_path = small_file('a'); /* another file, with another chance */
		bad = opened(rs, bad_path);
		assert_int_equal(ask(bad), 0);
		/* Stopped, so that it is asked before it ends. */
		assert_int_equal(kill(reader__pid(bad), SIGSTOP), 0);
		helper = end_soon(reader__pid(bad), sigs[i]);
		assert_int_equal(ask(bad), -EIO);
		assert_int_equal(reader__verdict(bad), IMAGE_READER_DIED);
		assert_int_equal(reader__pid(bad), 0);
		assert_int_equal(waitpid(helper, NULL, 0), helper);
		assert_int_equal(ask(bad), -EIO);
		assert_int_equal(ask(good), 0);
		/* It is not tried again. */
		assert_int_equal(reader__open(rs, bad_path, false, &r), IMAGE_READER_DIED);
		assert_int_equal(readers__nr_live(rs), 1);
		reader__put(bad);
	}
	assert_in_range(nr_fds(), fds, fds + NR(sigs)); /* files of those that are remembered */
	reader__put(good);
	readers__stop(rs);
	assert_no_children();
	free(bad_path);
	free(good_path);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
	struct readers *rs = start(&(struct readers_opts){ .deadline_ms = 2000 });
	char *path = small_file('a');
	struct reader *r = opened(rs, path);
	uint64_t begin;
	size_t i;

	(void)state;
	assert_int_equal(kill(reader__pid(r), SIGSTOP), 0);
	begin = clock__mono_ms();
	assert_int_equal(ask(r), -EIO);
	assert_in_range(clock__mono_ms() - begin, 1900, 20000);
	assert_int_equal(reader__verdict(r), IMAGE_READER_LATE);
	assert_int_equal(readers__nr_live(rs), 0);
	reader__put(r);
	/* One after the other they get less and less time: in all less than the first. */
	begin = clock__mono_ms();
	for (i = 0; i < 3; i++) {
		free(path);
		path = small_file('a');
		r = opened(rs, path);
		assert_int_equal(kill(reader__pid(r), SIGSTOP), 0);
		assert_int_equal(ask(r), -EIO);
		reader__put(r);
	}
	assert_in_range(clock__mono_ms() - begin, 1700, 5000);
	readers__stop(rs);
	assert_no_children();
	free(path);
}

/* A file of a gigabyte of code, of which nothing is on the disk. */
static void write_huge(void)
{
	struct strbuf sb = elf_build(&small);
	Elf64_Phdr *ph = (Elf64_Phdr *)(sb.data + sizeof(Elf64_Ehdr));

	ph->p_filesz = ph->p_memsz = 1000 << 20;
	elf_write(sb.data, sb.len);
	strbuf__free(&sb);
	assert_int_equal(truncate(elf_path, 1001 << 20), 0);
}

static void time_and_memory_are_bounded(void **state)
{
	struct readers *rs;
	struct reader *r = NULL;

	(void)state;
	write_huge();
	rs = start(&(struct readers_opts){ .deadline_ms = 20 });
	assert_int_equal(reader__open(rs, elf_path, false, &r), IMAGE_READER_LATE);
	readers__stop(rs);
	assert_no_children();
	if (HAS_SANITIZER) /* address space is not limited there */
		return;
	rs = start(&(struct readers_opts){ .max_memory = 300 << 20 });
	assert_int_equal(reader__open(rs, elf_path, false, &r), IMAGE_READER_MEMORY);
	readers__stop(rs);
	assert_no_children();
}

/* A kernel that is short of memory says nothing of the image. */
static void one_that_was_ended_while_idle_begins_again(void **state)
{
	struct readers *rs = start(NULL);
	char *path = small_file('a');
	struct reader *r = opened(rs, path);
	siginfo_t info;
	pid_t first;

	(void)state;
	assert_int_equal(ask(r), 0);
	first = reader__pid(r);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, first, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(r), 0);
	assert_int_not_equal(reader__pid(r), first);
	reader__put(r);
	readers__stop(rs);
	assert_no_children();
	free(path);
}

static void a_file_that_changed_meanwhile_is_not_the_same(void **state)
{
	struct readers *rs = start(NULL);
	char *path = small_file('a');
	struct reader *r = opened(rs, path);
	Elf64_Ehdr eh;
	siginfo_t info;
	int fd;

	(void)state;
	assert_int_equal(kill(reader__pid(r), SIGKILL), 0);
	assert_int_equal(waitid(P_PID, reader__pid(r), &info, WEXITED | WNOWAIT), 0);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &eh, sizeof(eh), 0), sizeof(eh));
	eh.e_entry++;
	assert_int_equal(pwrite(fd, &eh, sizeof(eh), 0), sizeof(eh));
	close(fd);
	assert_int_equal(ask(r), -EIO);
	assert_int_equal(reader__verdict(r), IMAGE_READER_LIED);
	reader__put(r);
	readers__stop(rs);
	free(path);
}

/* --- how many --- */

static void there_are_never_too_many(void **state)
{
	struct readers *rs = start(&(struct readers_opts){ .max_live = 2, .idle_ms = 1 });
	struct reader *all[5], *again = NULL;
	char *paths[5];
	size_t i, round;

	(void)state;
	for (i = 0; i < NR(all); i++) {
		paths[i] = small_file('a' + i);
		all[i] = opened(rs, paths[i]);
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < NR(all); i++) {
			assert_int_equal(ask(all[i]), 0);
			assert_in_range(readers__nr_live(rs), 1, 2);
		}
	}
	/* The same file, the same reader; by another path only if that will do. */
	assert_int_equal(reader__open(rs, paths[0], false, &again), IMAGE_OK);
	assert_ptr_equal(again, all[0]);
	reader__put(again);
	usleep(20000);
	readers__tidy(rs);
	assert_int_equal(readers__nr_live(rs), 0);
	for (i = 0; i < NR(all); i++) {
		assert_int_equal(ask(all[i]), 0);
		reader__put(all[i]);
		free(paths[i]);
	}
	usleep(20000);
	readers__tidy(rs);
	readers__stop(rs);
	assert_no_children();
}

static void *ask_often(void *arg)
{
	size_t i;

	for (i = 0; i < 200; i++)
		if (ask(arg))
			return arg;
	return NULL;
}

static void threads_may_ask_one_and_several(void **state)
{
	struct readers *rs = start(&(struct readers_opts){ .max_live = 2 });
	struct reader *all[4];
	pthread_t threads[8];
	char *paths[4];
	void *failed;
	size_t i;

	(void)state;
	for (i = 0; i < NR(all); i++) {
		paths[i] = small_file('a' + i);
		all[i] = opened(rs, paths[i]);
	}
	for (i = 0; i < NR(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, all[i % NR(all)]), 0);
	for (i = 0; i < NR(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	for (i = 0; i < NR(all); i++) {
		reader__put(all[i]);
		free(paths[i]);
	}
	readers__stop(rs);
	assert_no_children();
}

/* --- a thousand bad files --- */

/* Everything that can be asked of an image. */
static void ask_all(struct readers *rs, const char *path, size_t *outcomes)
{
	uint64_t addrs[64], x = 1;
	const struct image_facts *facts;
	struct unwind_table *t = NULL;
	enum locate_result result;
	struct locate_info info;
	struct reader *r = NULL;
	struct sym_source src;
	struct sym_answers a;
	uint8_t code[256] = { 0x55, 0x48 };
	struct locate_probe p = { .gva = 0x100000, .rip = 0x100010, .len = sizeof(code), .bytes = code };
	enum image_verdict verdict;
	size_t i;

	verdict = reader__open(rs, path, false, &r);
	outcomes[verdict]++;
	if (verdict)
		return;
	facts = reader__facts(r);
	for (i = 0; i < NR(addrs); i++) {
		const struct image_range *text = &facts->texts[i % facts->nr_texts];

		addrs[i] = text->addr + next_random(&x) % text->len;
	}
	reader__attach_debug_file(r, NULL, NULL);
	reader__locate(r, &p, 1, NULL, &result, &info);
	if (!reader__source(r, true, &src)) {
		if (!src.functions(src.ctx, addrs, NR(addrs), &a))
			sym_answers__release(&a);
		if (!src.libraries(src.ctx, addrs, NR(addrs), &a))
			sym_answers__release(&a);
		src.free(src.ctx);
	}
	if (!reader__unwind_table(r, &t)) {
		for (i = 0; i < NR(addrs); i++)
			unwind_table__lookup(t, addrs[i], NULL);
		unwind_table__free(t);
	}
	outcomes[reader__verdict(r)] += reader__verdict(r) != IMAGE_OK;
	reader__put(r);
}

static void *whole_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *bytes;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	*len = ftell(f);
	rewind(f);
	bytes = malloc(*len);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *len, f), *len);
	fclose(f);
	return bytes;
}

/* Bytes of the headers, of the symbols, of the DWARF are others: each file is another one. */
static void a_thousand_bad_files(void **state)
{
	struct readers *rs = start(&(struct readers_opts){ .deadline_ms = 5000 });
	size_t outcomes[IMAGE_READER_LIED + 1] = { 0 }, len, i, k, fds, sum = 0;
	uint64_t x = 0x2545f4914f6cdd1dull;
	uint8_t *bytes, *copy;

	(void)state;
	bytes = whole_file("/proc/self/exe", &len);
	/* The end has the section headers, and before them names and symbols: all of that is short enough to be hit. */
	copy = malloc(len);
	assert_non_null(copy);
	ask_all(rs, "/proc/self/exe", outcomes);
	assert_int_equal(outcomes[IMAGE_OK], 1);
	fds = nr_fds();
	for (i = 0; i < 1000; i++) {
		memcpy(copy, bytes, len);
		for (k = 0; k < 1 + i % 40; k++) {
			size_t at = i % 4 == 0 ? next_random(&x) % 1024 :
				    i % 4 == 1 ? len - 1 - next_random(&x) % 4096 :
						 next_random(&x) % len;

			copy[at] = next_random(&x);
		}
		elf_write(copy, i % 9 ? len : len / 10 * (next_random(&x) % 10));
		ask_all(rs, elf_path, outcomes);
		assert_in_range(readers__nr_live(rs), 0, 32);
	}
	for (i = 0; i <= IMAGE_READER_LIED; i++) {
		sum += i >= IMAGE_READER_DIED ? 0 : outcomes[i];
		if (outcomes[i])
			print_message("%zu: %s\n", outcomes[i], image__verdict_str(i));
	}
	assert_true(sum > 900); /* most were told apart without anybody's end */
	assert_in_range(nr_fds(), 3, fds + 3 * 33);
	free(bytes);
	free(copy);
	readers__stop(rs);
	assert_no_children();
}

/* Ends readers of this process at any moment, as their files would, until it is told to stop. */
static atomic_bool is_over;

static void *end_readers(void *arg)
{
	size_t *nr = arg;
	char path[64], comm[32];
	int pid;
	FILE *f;

	while (!is_over) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
		f = fopen(path, "r");
		while (f && fscanf(f, "%d", &pid) == 1) {
			FILE *c;

			snprintf(path, sizeof(path), "/proc/%d/comm", pid);
			c = fopen(path, "r");
			if (c && fgets(comm, sizeof(comm), c) && !strcmp(comm, "ukprof-reader\n") && !kill(pid, SIGSEGV))
				++*nr;
			if (c)
				fclose(c);
		}
		if (f)
			fclose(f);
		usleep(500 + *nr % 16 * 100);
	}
	return NULL;
}

static void a_thousand_crashes(void **state)
{
	struct readers *rs = start(NULL);
	size_t outcomes[IMAGE_READER_LIED + 1] = { 0 }, i, fds, nr_ended = 0;
	char *good_path = small_file('b');
	pthread_t thread;

	(void)state;
	fds = nr_fds();
	is_over = false;
	assert_int_equal(pthread_create(&thread, NULL, end_readers, &nr_ended), 0);
	for (i = 0; i < 1000; i++) {
		free(small_file('a')); /* another one each time */
		snprintf(elf_path + strlen(elf_path), 3, ".a");
		ask_all(rs, elf_path, outcomes);
		elf_path[strlen(elf_path) - 2] = '\0';
	}
	is_over = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	print_message("%zu ended; %zu fine, %zu crashed\n", nr_ended, outcomes[IMAGE_OK], outcomes[IMAGE_READER_DIED]);
	assert_true(outcomes[IMAGE_READER_DIED] > 10);
	/* Nothing is left of it, and others are read as before. */
	struct reader *good = opened(rs, good_path);

	assert_int_equal(ask(good), 0);
	reader__put(good);
	assert_in_range(nr_fds(), 3, fds + 2 * 33);
	readers__stop(rs);
	assert_no_children();
	free(good_path);
}

/* --- a reader that lies --- */

static void mutate(uint8_t *bytes, size_t len, uint64_t *x)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	size_t n = 1 + next_random(x) % 3;

	while (n--)
		bytes[next_random(x) % len] = next_random(x) & 1 ? values[next_random(x) % sizeof(values)] : next_random(x);
}

/* A message of a reader that is in this process; @what of @nr words. */
static uint8_t *true_answer(const char *path, uint32_t what, const uint64_t *addrs, uint32_t nr, size_t *len)
{
	struct reader_ask open_ask = { .what = READER_OPEN }, next = { .what = what, .arg = 1, .nr = nr, .len = nr * 8 };
	struct reader_answer answer;
	uint8_t *bytes = NULL;
	int socks[2], fd = open(path, O_RDONLY), status;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	pid = fork();
	if (!pid) {
		close(socks[0]);
		_exit(reader_child__run(socks[1]));
	}
	close(socks[1]);
	assert_int_equal(fd_msg__send(socks[0], &open_ask, sizeof(open_ask), fd, 0), 0);
	do {
		free(bytes);
		assert_int_equal(reader_msg__receive_bytes(socks[0], &answer, sizeof(answer), 0), 0);
		assert_int_equal(answer.err, 0);
		*len = answer.len;
		bytes = malloc(*len);
		assert_int_equal(reader_msg__receive_bytes(socks[0], bytes, *len, 0), 0);
		if (answer.what == READER_OPEN && what != READER_OPEN) {
			assert_int_equal(fd_msg__send(socks[0], &next, sizeof(next), -1, 0), 0);
			assert_int_equal(reader_msg__send_bytes(socks[0], addrs, next.len), 0);
		}
	} while (answer.what != what);
	close(socks[0]);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return bytes;
}

static void lies_are_told_from_answers(void **state)
{
	struct reader_facts *facts;
	struct unwind_table *t;
	uint64_t x = 0x9e3779b97f4a7c15ull, addrs[200];
	struct sym_answers a;
	size_t len, nr, i, k, nr_refused = 0;
	uint8_t *msg, *copy;

	(void)state;
	msg = true_answer("/proc/self/exe", READER_OPEN, NULL, 0, &len);
	assert_int_equal(len, sizeof(*facts));
	facts = (struct reader_facts *)msg;
	assert_true(reader_msg__facts_ok(facts, 1u << 30));
	assert_false(reader_msg__facts_ok(facts, 4096)); /* code beyond the end */
	memcpy(facts->link.name, "../x", 5);
	assert_false(reader_msg__facts_ok(facts, 1u << 30));
	memset(facts->link.name, 'x', sizeof(facts->link.name)); /* without an end */
	assert_false(reader_msg__facts_ok(facts, 1u << 30));
	memset(facts->link.name, 0, sizeof(facts->link.name));
	strcpy(facts->link.build_id, "../../etc");
	assert_false(reader_msg__facts_ok(facts, 1u << 30));
	memset(facts->link.build_id, 0, sizeof(facts->link.build_id));
	assert_true(reader_msg__facts_ok(facts, 1u << 30));
	for (i = 0; i < NR(addrs); i++)
		addrs[i] = facts->image.texts[0].addr + next_random(&x) % facts->image.texts[0].len;
	facts->image.nr_texts = IMAGE_MAX_TEXTS + 1;
	assert_false(reader_msg__facts_ok(facts, 1u << 30));
	free(msg);

	msg = true_answer("/proc/self/exe", READER_FUNCTIONS, addrs, NR(addrs), &len);
	copy = malloc(len);
	assert_int_equal(reader_msg__answers(msg, len, NR(addrs), &a), 0);
	assert_int_equal(a.nr, NR(addrs));
	sym_answers__release(&a);
	assert_int_equal(reader_msg__answers(msg, len, NR(addrs) - 1, &a), -EBADMSG);
	for (i = 0; i < 20000; i++) {
		memcpy(copy, msg, len);
		mutate(copy, i & 1 ? len : 64, &x);
		nr = i % 5 ? len : next_random(&x) % len;
		if (reader_msg__answers(copy, nr, NR(addrs), &a)) {
			nr_refused++;
			continue;
		}
		for (k = 0; k < a.nr_frames; k++)
			assert_true(strlen(a.strings + a.frames[k].name) + strlen(a.strings + a.frames[k].file) < a.strings_len);
		sym_answers__release(&a);
	}
	assert_in_range(nr_refused, 8000, 20000);
	free(msg);
	free(copy);

	msg = true_answer("/proc/self/exe", READER_UNWIND, NULL, 0, &len);
	copy = malloc(len);
	assert_int_equal(reader_msg__unwind(msg, len, &t), 0);
	unwind_table__free(t);
	for (i = nr_refused = 0; i < 2000; i++) {
		memcpy(copy, msg, len);
		mutate(copy, i & 1 ? len : sizeof(struct reader_unwind), &x);
		nr = i % 5 ? len : next_random(&x) % len;
		if (reader_msg__unwind(copy, nr, &t)) {
			nr_refused++;
			continue;
		}
		for (k = 0; k < NR(addrs); k++)
			assert_true(unwind_table__lookup(t, addrs[k], NULL)->cfa < UKP_CFA_MAX);
		unwind_table__free(t);
	}
	assert_in_range(nr_refused, 500, 2000);
	free(msg);
	free(copy);
}

static int setup(void **state)
{
	log__set_level(LOG_LEVEL_ERR);
	return elf_setup(state);
}

static int teardown(void **state)
{
	char path[80];
	int i;

	for (i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s.%c", elf_path, 'a' + i);
		unlink(path);
	}
	return elf_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_answers_as_this_process_would),
		cmocka_unit_test(the_guests_code_is_found),
		cmocka_unit_test(what_is_no_image_has_its_verdict),
		cmocka_unit_test(a_reader_has_no_rights),
		cmocka_unit_test(nothing_can_be_done_to_others),
		cmocka_unit_test(a_crash_takes_one_image_with_it),
		cmocka_unit_test(who_does_not_answer_is_not_waited_for),
		cmocka_unit_test(time_and_memory_are_bounded),
		cmocka_unit_test(one_that_was_ended_while_idle_begins_again),
		cmocka_unit_test(a_file_that_changed_meanwhile_is_not_the_same),
		cmocka_unit_test(there_are_never_too_many),
		cmocka_unit_test(threads_may_ask_one_and_several),
		cmocka_unit_test(a_thousand_bad_files),
		cmocka_unit_test(a_thousand_crashes),
		cmocka_unit_test(lies_are_told_from_answers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
