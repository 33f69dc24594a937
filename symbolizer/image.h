/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_IMAGE_H
#define SYMBOLIZER_IMAGE_H

/*
 * image - the ELF file of a unikernel: its code bytes, its identity, its symbol tables.
 *
 * The file is foreign: it may be anything at all, and may change while it is read. It is read with
 * pread() into our own memory, never mapped, and every offset and length is checked against the file's
 * size before it is used.
 *
 * Threads: one image, one thread. Lifetime: everything that is borrowed lives until image__free().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image;

/* Why a file is of no use as an image. A hint for each is in image__hint(). */
enum image_verdict {
	IMAGE_OK = 0,
	IMAGE_UNREADABLE,    /* open or read failed; errno says why */
	IMAGE_NOT_ELF,
	IMAGE_TRUNCATED,     /* headers point beyond the end of the file */
	IMAGE_32BIT,	     /* ELF32: often the booted file, whose symbols are in a 64-bit twin */
	IMAGE_OTHER_MACHINE, /* not x86-64 */
	IMAGE_NOT_LINKED,    /* relocatable object or core file */
	IMAGE_NO_CODE,	     /* no executable segment with bytes in the file */
	IMAGE_MALFORMED,     /* tables contradict each other */
	IMAGE_NO_MEMORY,
	/* It is read by another process, which came to nothing, and that was said: see readers.h. */
	IMAGE_READER_DIED,
	IMAGE_READER_LATE,
	IMAGE_READER_MEMORY,
	IMAGE_READER_LIED, /* what it answered can't be */
};

/* A range of executable bytes, as the program headers give it. */
struct image_text {
	uint64_t addr;	      /* image address: as linked */
	uint64_t paddr;	      /* physical address of the program header */
	uint64_t len;
	uint64_t offset;      /* in the file */
	const uint8_t *bytes; /* borrowed */
};

#define IMAGE_MAX_TEXTS	   64 /* executable segments of one image */
#define IMAGE_MAX_BUILD_ID 64 /* bytes */

/* All that is said of an image in numbers, and without a pointer, for who is told of it by another process. */
struct image_facts {
	uint64_t entry;
	uint64_t base;
	uint64_t linear_offset; /* see image__linear_offset() */
	uint64_t data, data_len; /* see image__data() */
	uint8_t is_pic;
	uint8_t has_linear_offset;
	uint8_t has_data;
	uint8_t reserved;
	uint32_t nr_texts;
	struct image_range {
		uint64_t addr; /* image address */
		uint64_t len;
		uint64_t offset; /* in the file */
	} texts[IMAGE_MAX_TEXTS];
	char build_id[2 * IMAGE_MAX_BUILD_ID + 8]; /* lower-case hexadecimal, or empty */
};

/* The contents of a section that is not code, decompressed. */
struct image_section {
	uint64_t addr; /* image address; 0 if it is not loaded */
	uint64_t len;
	uint8_t *bytes; /* owned by the caller of image__read_section(), who frees it */
};

/* A symbol as the file has it. */
struct image_sym {
	uint64_t addr;
	uint64_t size;
	uint64_t section_end; /* image address where its section ends: no symbol reaches beyond */
	const char *name;     /* borrowed */
	const char *file;     /* source file that a local symbol is of, or NULL; borrowed */
	uint8_t type;	      /* STT_* */
	uint8_t bind;	      /* STB_* */
};

/**
 * image__open() - read an image.
 * @out: on IMAGE_OK receives it, owned by the caller; untouched otherwise.
 * @path: file; copied.
 *
 * Return: a verdict; errno is set for IMAGE_UNREADABLE.
 */
enum image_verdict image__open(struct image **out, const char *path);
void image__free(struct image *img); /* accepts NULL */

/**
 * image__open_debug() - as image__open(), of a file with what was stripped from an image: it has no code of its own,
 * and image__nr_texts() is 0.
 */
enum image_verdict image__open_debug(struct image **out, const char *path);

/**
 * image__open_fd() - as image__open() or image__open_debug(), of a file that is open already.
 * @fd: for reading; taken, also where this fails.
 * @path: what it is called; copied, and not looked at.
 */
enum image_verdict image__open_fd(struct image **out, int fd, const char *path, bool is_debug);

/** image__open_file() - a descriptor to read a file by, for image__open_fd(). Return: -errno if it can't be, or is no file. */
int image__open_file(const char *path);

/**
 * image__attach() - let a debug file answer for the symbols and sections that an image lacks.
 * @debug: taken; replaces one that was attached before.
 */
void image__attach(struct image *img, struct image *debug);

/** image__verdict_str() - the verdict in words that follow the file's name in a message. */
const char *image__verdict_str(enum image_verdict verdict);
/** image__hint() - what the user can do about it. */
const char *image__hint(enum image_verdict verdict);

const char *image__path(const struct image *img);
/** image__facts() - all of its facts at once. */
void image__facts(const struct image *img, struct image_facts *facts);
/** image__lines_fd() - of the file that has its line tables: itself, or the debug file that was attached. Borrowed. */
int image__lines_fd(struct image *img);
/** image__build_id() - lower-case hexadecimal, or NULL: unikernels rarely have one. */
const char *image__build_id(const struct image *img);
/** image__is_pic() - linked to run at any address (ET_DYN, static-PIE). */
bool image__is_pic(const struct image *img);
uint64_t image__entry(const struct image *img);
/** image__base() - image address of the first page that is loaded. */
uint64_t image__base(const struct image *img);

/**
 * image__linear_offset() - distance between the virtual and the physical addresses that it is linked for.
 * @offset: receives it, if it is the same for all its code and a multiple of 4096.
 *
 * Return: true; false for a position-independent image, which is linked for no address.
 */
bool image__linear_offset(const struct image *img, uint64_t *offset);

/**
 * image__data() - where its variables are: from the first to the last address of what is writable.
 * @addr: receives the image address; untouched on failure. So is @len, in bytes.
 *
 * Return: true; false if nothing is writable.
 */
bool image__data(const struct image *img, uint64_t *addr, uint64_t *len);

/** image__has_section() - with contents, in the file itself. @name: such as ".symtab". */
bool image__has_section(struct image *img, const char *name);

/** image__crc32() - of the whole file, as .gnu_debuglink has it. Return: 0; -EIO; -ENOMEM. */
int image__crc32(const struct image *img, uint32_t *crc);

size_t image__nr_texts(const struct image *img);
const struct image_text *image__text(const struct image *img, size_t i);

/**
 * image__read_section() - a copy of a section's contents; of the debug file's where the image has no such section.
 * @name: such as ".debug_frame"; compressed contents (SHF_COMPRESSED) are decompressed.
 * @max_len: refuse to decompress or copy more than this many bytes.
 * @out: filled in on success.
 *
 * Return: 0; -ENOENT if there is no such section with contents; -EFBIG beyond @max_len; -EBADMSG if it can't
 * be read or decompressed; -ENOMEM.
 */
int image__read_section(struct image *img, const char *name, uint64_t max_len, struct image_section *out);

/**
 * image__for_each_sym() - visit the symbols that can name code.
 * @visit: called for each defined STT_FUNC, STT_NOTYPE and STT_GNU_IFUNC symbol in an executable section
 *	of .symtab, or of .dynsym when there is no .symtab; a result other than 0 ends the visit.
 *
 * One without .symtab is asked for the debug file's, if there is one.
 *
 * Return: 0; -ENOENT if the image has neither table (stripped); -EBADMSG if a table is malformed; or
 * what @visit returned.
 */
int image__for_each_sym(struct image *img, int (*visit)(void *ctx, const struct image_sym *sym), void *ctx);

#endif /* SYMBOLIZER_IMAGE_H */
