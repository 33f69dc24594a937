/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_HOST_NAMES_H
#define USER_HOST_NAMES_H

/*
 * host_names - names for the addresses of the host's stacks, while the kernel and the VMMs that they are of still run.
 *
 * The kernel's are those of /proc/kallsyms, a VMM's those of the ELF files that it has mapped, looked up through its
 * own root folder. Files are opened, which is why this is done where a VMM's image is, and
 * with the same rights (CAP_SYS_PTRACE for other users' processes).
 *
 * Threads: the collector thread.
 */

struct host_names;
struct readers;
struct recording;

/** host_names__new() - @readers: read the files; borrowed for its life. Return: 0 or -ENOMEM. Nothing is read yet. */
int host_names__new(struct host_names **out, struct readers *readers);
void host_names__free(struct host_names *h); /* accepts NULL */

/**
 * host_names__update() - tell the recording the names of the host's addresses that came since the last call.
 *
 * An address without a symbol is called "[file]", "[kernel]" or "[anon]" by where it stands; one that is no code of
 * the VMM has the empty name. The addresses of a VMM that has ended in between stay without.
 *
 * Return: 0; -ENOMEM; or the capture file's error.
 * Cost: once all of /proc/kallsyms (some 20 ms) and the symbol tables of the files that are met; then a look at each
 * new stack.
 */
int host_names__update(struct host_names *h, struct recording *r);

#endif /* USER_HOST_NAMES_H */
