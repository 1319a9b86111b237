#ifndef SLUICE_CTERMINAL_INTERNAL_H
#define SLUICE_CTERMINAL_INTERNAL_H

#include <stddef.h>

/* What ct_restore writes, and to where. */
void ct_restore_arm(int input, int output, const char *bytes, size_t count);
void ct_restore_disarm(void);

/* Lets SIGTSTP stop the process, once. */
void ct_signals_stop_now(void);

#endif
