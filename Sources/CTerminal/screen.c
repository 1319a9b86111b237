#define _GNU_SOURCE
#define NCURSES_WIDECHAR 1

#include "CTerminal.h"
#include "internal.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

/* term.h names a capability so. */
#undef columns

static SCREEN *screen;
static FILE *output_file;
static FILE *input_file;
static int output_fd = -1;
static int uses_mouse;
static int knows_modes;

/* Bracketed paste; presses and the wheel, in the SGR form that has no upper bound on columns. */
static const char PASTE_ON[] = "\033[?2004h";
static const char PASTE_OFF[] = "\033[?2004l";
static const char MOUSE_ON[] = "\033[?1000h\033[?1006h";
static const char MOUSE_OFF[] = "\033[?1006l\033[?1000l";
static const char UPDATE_BEGIN[] = "\033[?2026h";
static const char UPDATE_END[] = "\033[?2026l";

static void send(const char *bytes) {
    size_t count = strlen(bytes);
    while (count > 0) {
        ssize_t n = write(output_fd, bytes, count);
        if (n <= 0) return;
        bytes += n;
        count -= (size_t)n;
    }
}

/* The private modes above are ignored by every terminal that parses CSI; only real old ones
 * and the kernel's console are spared. */
int ct_understands_modes(const char *name) {
    return strncmp(name, "vt", 2) != 0 && strncmp(name, "linux", 5) != 0;
}

static void modes_on(void) {
    if (!knows_modes) return;
    send(PASTE_ON);
    if (uses_mouse) send(MOUSE_ON);
}

static void modes_off(void) {
    if (!knows_modes) return;
    if (uses_mouse) send(MOUSE_OFF);
    send(PASTE_OFF);
}

int ct_locale_is_utf8(void) {
    if (setlocale(LC_CTYPE, "") == NULL) {
        /* The named locale is not installed here, as after ssh from elsewhere; what matters is
         * whether the terminal's characters are UTF-8, and the name says so. */
        const char *names[] = {getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")};
        for (int i = 0; i < 3; i++) {
            if (names[i] == NULL || *names[i] == '\0') continue;
            if (strcasestr(names[i], "utf-8") != NULL || strcasestr(names[i], "utf8") != NULL)
                setlocale(LC_CTYPE, "C.UTF-8");
            break;
        }
    }
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int ct_terminfo_colors(const char *name, int output) {
    int status = 0;
    if (setupterm(name, output, &status) != OK) return 0;
    int colors = tigetnum("colors");
    del_curterm(cur_term);
    return colors < 0 ? 0 : colors;
}

/* Appends a capability without its padding ("$<5>"): nothing that needs it is left. */
static size_t append(char *buffer, size_t used, size_t capacity, const char *capability) {
    if (capability == NULL || capability == (const char *)-1) return used;
    for (const char *c = capability; *c != '\0'; c++) {
        if (c[0] == '$' && c[1] == '<') {
            const char *end = strchr(c, '>');
            if (end != NULL) {
                c = end;
                continue;
            }
        }
        if (used + 1 < capacity) buffer[used++] = *c;
    }
    return used;
}

static void arm(int input) {
    char bytes[256];
    size_t used = 0;
    if (knows_modes) {
        used = append(bytes, used, sizeof bytes, UPDATE_END);
        used = append(bytes, used, sizeof bytes, MOUSE_OFF);
        used = append(bytes, used, sizeof bytes, PASTE_OFF);
    }
    const char *names[] = {"sgr0", "op", "cnorm", "rmcup"};
    for (int i = 0; i < 4; i++) used = append(bytes, used, sizeof bytes, tigetstr(names[i]));
    used = append(bytes, used, sizeof bytes, "\r");
    ct_restore_arm(input, output_fd, bytes, used);
}

static void modes_of_tty(void) {
    /* Not cbreak: what is pasted may hold a ^C, ^Z or ^S, and must not act. The keys that send
     * signals are read as keys, and sent by the caller. */
    raw();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    /* Otherwise an update is cut short when a key waits, and the synchronised frame is torn. */
    typeahead(-1);
    curs_set(0);
}

int ct_open(const char *name, int input, int output, int color, int mouse) {
    if (screen != NULL) return CT_FAILED;
    if (!isatty(input) || !isatty(output)) return CT_NOT_A_TERMINAL;

    /* newterm succeeds for TERM=dumb, so the question is asked before anything is touched. */
    int status = 0;
    if (setupterm(name, output, &status) != OK) return CT_UNKNOWN;
    const char *cup = tigetstr("cup");
    int capable = cup != NULL && cup != (const char *)-1;
    del_curterm(cur_term);
    if (!capable) return CT_NOT_CAPABLE;

    int own_output = dup(output);
    int own_input = dup(input);
    output_file = own_output < 0 ? NULL : fdopen(own_output, "w");
    input_file = own_input < 0 ? NULL : fdopen(own_input, "r");
    if (output_file == NULL || input_file == NULL) {
        if (output_file != NULL) fclose(output_file);
        else if (own_output >= 0) close(own_output);
        if (input_file != NULL) fclose(input_file);
        else if (own_input >= 0) close(own_input);
        output_file = input_file = NULL;
        return CT_FAILED;
    }
    output_fd = own_output;
    uses_mouse = mouse;
    knows_modes = ct_understands_modes(name);
    arm(own_input);

    char *copy = strdup(name);
    screen = newterm(copy, output_file, input_file);
    free(copy);
    if (screen == NULL) {
        ct_restore_disarm();
        fclose(output_file);
        fclose(input_file);
        output_file = input_file = NULL;
        output_fd = -1;
        return CT_FAILED;
    }
    /* The capabilities are those of newterm's terminal only now. */
    arm(own_input);
    modes_of_tty();
    if (color && start_color() == OK) use_default_colors();
    modes_on();
    return CT_OK;
}

void ct_close(void) {
    if (screen == NULL) return;
    modes_off();
    curs_set(1);
    endwin();
    ct_restore_disarm();
    delscreen(screen);
    screen = NULL;
    fclose(output_file);
    fclose(input_file);
    output_file = input_file = NULL;
    output_fd = -1;
}

void ct_size(int *columns, int *rows) {
    struct winsize size;
    *columns = 80;
    *rows = 24;
    if (output_fd >= 0 && ioctl(output_fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
        size.ws_row > 0) {
        *columns = size.ws_col;
        *rows = size.ws_row;
    }
}

void ct_resize(int columns, int rows) {
    if (screen == NULL) return;
    resizeterm(rows, columns);
    /* What the terminal made of the old lines is anyone's guess. */
    clearok(curscr, TRUE);
}

int ct_pair(int pair, int foreground, int background) {
    if (screen == NULL || pair <= 0 || pair >= COLOR_PAIRS) return 0;
    /* Where there are eight, the bright ones are as the others. */
    if (foreground >= COLORS && foreground < 16) foreground -= 8;
    if (background >= COLORS && background < 16) background -= 8;
    return init_extended_pair(pair, foreground, background) == OK ? pair : 0;
}

void ct_put(int row, int column, uint32_t base, uint32_t mark, int width, unsigned attributes,
            int pair) {
    if (screen == NULL) return;
    attr_t attrs = A_NORMAL;
    if (attributes & CT_BOLD) attrs |= A_BOLD;
    if (attributes & CT_DIM) attrs |= A_DIM;
    if (attributes & CT_ITALIC) attrs |= A_ITALIC;
    if (attributes & CT_UNDERLINE) attrs |= A_UNDERLINE;
    if (attributes & CT_REVERSE) attrs |= A_REVERSE;

    wchar_t text[3] = {(wchar_t)base, (wchar_t)mark, 0};
    /* ncurses asks the C library for widths; where it disagrees with the caller's table the
     * columns would shift, so such a character is replaced. */
    if (mark != 0 && wcwidth((wchar_t)mark) != 0) text[1] = 0;
    int replaced = wcwidth((wchar_t)base) != width;
    if (replaced) {
        text[0] = L'?';
        text[1] = 0;
    }
    cchar_t cell;
    if (setcchar(&cell, text, attrs, 0, &pair) != OK) return;
    mvadd_wch(row, column, &cell);
    if (replaced && width == 2) mvadd_wch(row, column + 1, &cell);
}

void ct_cursor(int row, int column) {
    if (screen == NULL) return;
    if (row < 0) {
        curs_set(0);
    } else {
        move(row, column);
        curs_set(1);
    }
}

void ct_flush(void) {
    if (screen == NULL) return;
    /* Through write(2): what putp is given comes out after the frame. */
    if (knows_modes) send(UPDATE_BEGIN);
    wnoutrefresh(stdscr);
    doupdate();
    if (knows_modes) send(UPDATE_END);
}

void ct_repaint(void) {
    if (screen != NULL) clearok(curscr, TRUE);
}

void ct_stop(void) {
    if (screen == NULL) return;
    modes_off();
    curs_set(1);
    endwin();
    ct_signals_stop_now();
    ct_resume();
}

void ct_resume(void) {
    if (screen == NULL) return;
    reset_prog_mode();
    modes_of_tty();
    modes_on();
    clearok(curscr, TRUE);
    wnoutrefresh(stdscr);
    doupdate();
}
