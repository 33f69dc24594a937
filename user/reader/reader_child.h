/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_READER_CHILD_H
#define READER_READER_CHILD_H

/* reader_child - the process that reads one image: answers the questions of reader_msg.h until nobody asks any more. */

/** reader_child__run() - @sock: borrowed. Return: exit status. The process is to have no rights by then. */
int reader_child__run(int sock);

#endif /* READER_READER_CHILD_H */
