/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_LOCATE_H
#define SYMBOLIZER_LOCATE_H

/*
 * locate - does a guest run this image, and at which load bias?
 *
 * Unikernels rarely have a build-id, so identity is proven by bytes: code that was read from the guest
 * around sampled RIPs is looked for in the image. Loaders place images at multiples of 4 KiB, so the
 * offset inside a page is known and every page of the text is one candidate. The bias that explains the
 * most probes wins, if it is the only one. One probe that shows other code disproves a candidate, however
 * many agree: two builds on the same library have most of their bytes in common.
 */

#include <stddef.h>
#include <stdint.h>

struct image;

/* Bytes of guest memory, as one text probe brought them. */
struct locate_probe {
	uint64_t gva;
	uint64_t rip; /* inside the bytes: at least this instruction is code */
	size_t len;
	const uint8_t *bytes;
};

enum locate_result {
	LOCATE_FOUND = 0,    /* the bytes are the image's, at one bias only */
	LOCATE_NO_PROBES,    /* nothing to compare: the guest showed no code */
	LOCATE_NOT_COVERED,  /* code ran elsewhere only (firmware, another image): nothing for or against */
	LOCATE_DIFFERENT,    /* code ran where the image has other bytes */
	LOCATE_AMBIGUOUS,    /* several biases explain the probes equally well */
};

struct locate_info {
	uint64_t bias;	     /* LOCATE_FOUND: GVA minus image address; LOCATE_AMBIGUOUS: one of those that fit */
	size_t nr_matching;  /* probes that agree */
	uint64_t differs_at; /* LOCATE_DIFFERENT: first GVA whose byte is not the image's */
};

/**
 * locate__find() - find the bias at which the guest runs the image.
 * @probes: array of @nr probes.
 * @info: filled in as its members say.
 *
 * The linked address (bias 0) is tried first and preferred among equals, except for a
 * position-independent image, where it has no claim.
 *
 * Cost: one comparison per page of text and probe until bytes differ; about 10 ms for 50 MB.
 */
enum locate_result locate__find(const struct image *img, const struct locate_probe *probes, size_t nr,
				struct locate_info *info);

/**
 * locate__check() - does the guest run the image at this bias, whatever other ones would fit?
 *
 * Return: as above, but never LOCATE_AMBIGUOUS.
 */
enum locate_result locate__check(const struct image *img, const struct locate_probe *probes, size_t nr, uint64_t bias,
				 struct locate_info *info);

#endif /* SYMBOLIZER_LOCATE_H */
