/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_GROW_H
#define BASE_GROW_H

/* grow - arrays that get longer, by doubling. Threads: any. */

#include <stddef.h>

/**
 * grow__to() - make room in an array.
 * @array: address of the pointer to it, which may be NULL; moved on success, untouched on error.
 * @cap: elements that it has room for; updated with @array.
 * @need: elements that it shall have room for.
 * @size: bytes of an element.
 *
 * Return: 0 or -ENOMEM.
 */
int grow__to(void **array, size_t *cap, size_t need, size_t size);

#endif /* BASE_GROW_H */
