#ifndef SLUICE_CTERMINAL_H
#define SLUICE_CTERMINAL_H

/*
 * What Sluice needs of a terminal, over ncursesw, with none of its types exposed.
 *
 * One terminal at a time, used by one thread. The functions that touch the screen do nothing
 * between ct_close and the next ct_open. ct_restore may be called from anywhere, a signal handler
 * included.
 */

#include <stdint.h>

enum {
    CT_OK = 0,
    CT_NOT_A_TERMINAL = 1, /* input or output is no terminal */
    CT_UNKNOWN = 2,        /* no terminfo entry of that name */
    CT_NOT_CAPABLE = 3,    /* it cannot place its cursor: TERM=dumb */
    CT_FAILED = 4,
};

enum {
    CT_BOLD = 1,
    CT_DIM = 2,
    CT_ITALIC = 4,
    CT_UNDERLINE = 8,
    CT_REVERSE = 16,
};

/* Takes the locale from the environment. 1 where characters are UTF-8, else 0. */
int ct_locale_is_utf8(void);

/* Colours that the terminfo entry promises; 0 where it is unknown. */
int ct_terminfo_colors(const char *name, int output);

/* 1 where it parses what it does not know, and so can be asked; 0 for vt100 and the console. */
int ct_understands_modes(const char *name);

/* Takes over the terminal: alternate screen, no echo, bracketed paste, and the mouse if asked. */
int ct_open(const char *name, int input, int output, int color, int mouse);

/* Gives it back as it was. Safe to call twice. */
void ct_close(void);

/* The size that the kernel knows, at least 1 by 1. */
void ct_size(int *columns, int *rows);
void ct_resize(int columns, int rows);

/* Defines a pair; colours are 0...255, or -1 for the terminal's own. 0 where it cannot be had. */
int ct_pair(int pair, int foreground, int background);

/* One character, `width` columns wide, with at most one combining mark (0: none). */
void ct_put(int row, int column, uint32_t base, uint32_t mark, int width, unsigned attributes,
            int pair);

/* Shows the cursor there; a negative row hides it. */
void ct_cursor(int row, int column);

/* Brings the terminal up to date, as one synchronised update where it knows that. */
void ct_flush(void);

/* The next ct_flush draws everything anew. */
void ct_repaint(void);

/* Leaves the screen, stops the process as SIGTSTP would, and comes back when it is continued. */
void ct_stop(void);

/* Takes the terminal again, after whatever else had it. */
void ct_resume(void);

/*
 * Signals. SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP and SIGCONT are written, a byte
 * each, to a pipe; its reading end is returned, -1 on failure. SIGILL, SIGTRAP, SIGABRT, SIGBUS,
 * SIGFPE and SIGSEGV restore the terminal and then do what they did before.
 */
int ct_signals_begin(void);
void ct_signals_end(void);

/* The pipe has been read. Until then a second signal that ends the process does so at once. */
void ct_signals_taken(void);

/* What the terminal does for a key that interrupts, ends or stops: the signal goes to the whole job
 * in its foreground. */
void ct_signal_job(int number);

/* Only what a signal handler may do: poll(2), write(2) and tcsetattr(3). */
void ct_restore(void);

#endif
