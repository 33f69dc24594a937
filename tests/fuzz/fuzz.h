/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

/*
 * fuzz - what the fuzzers share. Each is one LLVMFuzzerTestOneInput(), which libFuzzer calls with bytes; a crash, a
 * sanitizer's word, a leak or a run of more than ten seconds is a finding.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The bytes as a file without a name; @path has room for 32. Return: its descriptor. */
static inline int fuzz_file(const uint8_t *data, size_t len, char *path)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

#define FUZZ_DEMAND(truth) ((truth) ? (void)0 : abort())

#endif /* FUZZ_FUZZ_H */
