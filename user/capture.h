/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CAPTURE_H
#define USER_CAPTURE_H

/*
 * capture - the .ukp file: a recording as it happened, to be replayed and named later.
 *
 * A header, then chunks: { u32 kind, u32 length, payload, zeros up to a multiple of 8 }, little-endian.
 * INFO, VM, COUNTERS and END hold "key=value" strings, each ended by a 0 byte; unknown keys and unknown
 * chunks are skipped, so files of a newer minor version can be read. RECORD holds the bytes of a ring
 * buffer record (bpf/ukprof_abi.h, in the version that the header names). Chunks are written as they
 * come: a file that was cut anywhere is good up to its last whole chunk. docs/capture-format.md has it all.
 *
 * Threads: one at a time per writer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording.h"

struct capture_writer;

/**
 * capture_writer__new() - begin a file.
 * @fd: emptied with the first bytes that are written, if it is a file; taken, closed by capture_writer__close().
 *
 * Return: 0 or -ENOMEM (then @fd is closed).
 */
int capture_writer__new(struct capture_writer **out, int fd);

/* Each returns 0 or the first error that writing met: -ENOSPC, -EPIPE, … */
int capture_writer__begin(struct capture_writer *w, const struct recording_info *info);
int capture_writer__vm(struct capture_writer *w, const struct recording_vm *vm);
int capture_writer__record(struct capture_writer *w, const void *data, size_t len);
int capture_writer__symbol(struct capture_writer *w, const struct recording_symbol *sym);
int capture_writer__counters(struct capture_writer *w, const uint64_t *v);
int capture_writer__end(struct capture_writer *w, enum recording_end how, uint64_t duration_ns);

/** capture_writer__flush() - hand what is buffered to the kernel. */
int capture_writer__flush(struct capture_writer *w);
/** capture_writer__err() - 0, or the first error that writing met. */
int capture_writer__err(const struct capture_writer *w);
/** capture_writer__has_written() - something has reached the file; until then an older one is as it was. */
bool capture_writer__has_written(const struct capture_writer *w);
/** capture_writer__abandon() - close and free without writing what is buffered; accepts NULL. */
void capture_writer__abandon(struct capture_writer *w);
/** capture_writer__close() - flush, close, free; accepts NULL. Return: 0 or the first error. */
int capture_writer__close(struct capture_writer *w);

enum capture_verdict {
	CAPTURE_OK = 0,
	CAPTURE_UNREADABLE,   /* errno says why */
	CAPTURE_NOT_CAPTURE,  /* another kind of file, or not even a whole header */
	CAPTURE_NEWER,	      /* written by a ukprof whose format this one does not know */
	CAPTURE_NO_MEMORY,
};

/**
 * capture__read() - replay a file into a recording.
 * @path: file, or "-" for standard input.
 * @r: begun, filled and, if the file has its end, ended. A file that was cut leaves it RECORDING_CUT.
 * @cut_bytes: receives how many bytes at the end did not make a whole chunk; may be NULL.
 *
 * Return: a verdict; errno is set for CAPTURE_UNREADABLE.
 */
enum capture_verdict capture__read(const char *path, struct recording *r, uint64_t *cut_bytes);
const char *capture__verdict_str(enum capture_verdict verdict);

#endif /* USER_CAPTURE_H */
