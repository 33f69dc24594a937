/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVICE_H
#define USER_SERVICE_H

/*
 * service - tell the service manager how we are: sd_notify(3), in the few lines that its protocol takes.
 *
 * Not libsystemd: it would load four compression and cryptography libraries into a process with privileges, to send
 * a datagram. Source: sd_notify(3), "Standalone Implementations".
 *
 * Threads: one, and service__open() comes before others read the environment.
 */

#include <stdint.h>

struct service;

/**
 * service__open() - take over $NOTIFY_SOCKET and $WATCHDOG_USEC, which no other process of ours is to use.
 *
 * Return: NULL without a service manager, or if its socket can't be reached, which is logged. All else accepts NULL.
 */
struct service *service__open(void);
void service__close(struct service *s);

/** service__notify() - "READY=1", "STOPPING=1", "STATUS=…"; several lines in one call. */
void service__notify(struct service *s, const char *text);

/** service__alive() - call it often: a sign of life whenever half of the watchdog's time is over, if it is wanted. */
void service__alive(struct service *s, uint64_t now_ns);

#endif /* USER_SERVICE_H */
