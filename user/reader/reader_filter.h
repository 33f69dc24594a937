/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_READER_FILTER_H
#define READER_READER_FILTER_H

/*
 * reader_filter - the system calls of those who read images, and of the nursery that makes them.
 *
 * A reader may read what is open already, use memory, talk over its line, and end. Anything else fails with EPERM: nothing can
 * be opened, run, sent to others or changed.
 *
 * Threads: one. What is installed can't be undone, and goes to all children.
 */

struct reader_filter;

/** reader_filter__new() - both filters. Return: 0; -EOPNOTSUPP if the kernel has none; a negative errno. */
int reader_filter__new(struct reader_filter **out);
void reader_filter__free(struct reader_filter *f); /* accepts NULL; what is installed stays */

/** reader_filter__nursery() - of this process from now on: as a reader's, but it can make and end readers. */
int reader_filter__nursery(const struct reader_filter *f);

/** reader_filter__reader() - of this process from now on. */
int reader_filter__reader(const struct reader_filter *f);

#endif /* READER_READER_FILTER_H */
