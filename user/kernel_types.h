/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KERNEL_TYPES_H
#define USER_KERNEL_TYPES_H

/*
 * kernel_types - the types of the kernel and of its KVM module in one file, for who may not ask the kernel for those of
 * modules: the system call for it takes CAP_SYS_ADMIN, while the files in sysfs are anybody's to read.
 *
 * Threads: any.
 */

/**
 * kernel_types__open() - a file with the types of vmlinux and, if it is a module, of the vendor's part of KVM.
 *
 * Return: a descriptor, which the caller owns; -EBADMSG if the files are not what they should be; a negative errno.
 */
int kernel_types__open(void);

#endif /* USER_KERNEL_TYPES_H */
