/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reader_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct reader_filter {
	scmp_filter_ctx nursery;
	scmp_filter_ctx reader;
};

static const int of_all[] = {
	/* descriptors that are open; newfstatat() is what libc makes of fstat(), and tells no more than that a file is there */
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(close),
	/* memory; mmap() and mprotect() are below */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	/* itself */
	SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit), SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__
	/* to say what it found, and where */
	SCMP_SYS(write), SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield), SCMP_SYS(readlink),
#endif
};

static const int of_nursery[] = { SCMP_SYS(kill), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(getppid), SCMP_SYS(dup2),
				  SCMP_SYS(close_range) };

static int allow_if(scmp_filter_ctx ctx, int call, unsigned int arg, scmp_datum_t mask, scmp_datum_t value)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

static int allow_all(scmp_filter_ctx ctx, const int *calls, size_t nr)
{
	int err = 0;
	size_t i;

	for (i = 0; i < nr && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

static int add_rules(scmp_filter_ctx ctx)
{
	const scmp_datum_t all = ~(scmp_datum_t)0;
	int err = allow_all(ctx, of_all, NR(of_all));

	if (!err)
		err = allow_if(ctx, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	if (!err)
		err = allow_if(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	/* A copy of a descriptor, and whether there is one. */
	if (!err)
		err = allow_if(ctx, SCMP_SYS(fcntl), 1, all, F_DUPFD_CLOEXEC);
	if (!err)
		err = allow_if(ctx, SCMP_SYS(fcntl), 1, all, F_GETFD);
	if (!err)
		err = allow_if(ctx, SCMP_SYS(fcntl), 1, all, F_GETFL);
	return err;
}

static int make(scmp_filter_ctx *out, int is_nursery)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? add_rules(ctx) : -ENOMEM;

	if (!err && is_nursery)
		err = allow_all(ctx, of_nursery, NR(of_nursery));
	/* A brother of its own, and nothing that shares anything. */
	if (!err && is_nursery)
		err = allow_if(ctx, SCMP_SYS(clone), 0, ~(scmp_datum_t)0, CLONE_PARENT | SIGCHLD);
	/* Who calls this has given up its rights, and says so once. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	*out = ctx;
	return err;
}

int reader_filter__new(struct reader_filter **out)
{
	struct reader_filter *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	err = make(&f->nursery, 1);
	if (!err)
		err = make(&f->reader, 0);
	if (!err) {
		*out = f;
		return 0;
	}
	reader_filter__free(f);
	return err;
}

void reader_filter__free(struct reader_filter *f)
{
	if (!f)
		return;
	seccomp_release(f->nursery);
	seccomp_release(f->reader);
	free(f);
}

int reader_filter__nursery(const struct reader_filter *f)
{
	return seccomp_load(f->nursery);
}

int reader_filter__reader(const struct reader_filter *f)
{
	return seccomp_load(f->reader);
}
