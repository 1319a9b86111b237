#define _GNU_SOURCE

#include "CTerminal.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int NOTED[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
/* Faults, and whatever else would end the process unasked. */
static const int FATAL[] = {
    SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGXCPU, SIGXFSZ,
    SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
};
enum {
    NOTED_COUNT = sizeof NOTED / sizeof *NOTED,
    FATAL_COUNT = sizeof FATAL / sizeof *FATAL,
    STACK_BYTES = 64 * 1024,
    RESTORE_PATIENCE = 200, /* milliseconds */
};

static struct sigaction noted_before[NOTED_COUNT];
static struct sigaction fatal_before[FATAL_COUNT];
static int pipe_read = -1;
static volatile int pipe_write = -1;
static void *stack;
static sigset_t mask_before;
static volatile sig_atomic_t endings;

static volatile sig_atomic_t armed;
static int restore_input = -1;
static int restore_output = -1;
/* The terminal once more, and where everybody else's output goes once it is given back. */
static int restore_terminal = -1;
static int nowhere = -1;
static struct termios restore_modes;
static char restore_bytes[256];
static size_t restore_count;

void ct_restore_arm(int input, int output, const char *bytes, size_t count) {
    static int registered;
    if (!armed) {
        if (tcgetattr(input, &restore_modes) != 0) return;
        restore_terminal = dup(output);
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        fcntl(restore_terminal, F_SETFD, FD_CLOEXEC);
        restore_input = input;
        restore_output = output;
    }
    restore_count = count < sizeof restore_bytes ? count : sizeof restore_bytes;
    memcpy(restore_bytes, bytes, restore_count);
    armed = 1;
    if (!registered) {
        registered = 1;
        /* For an exit() from anywhere. */
        atexit(ct_restore);
    }
}

void ct_restore_disarm(void) {
    if (!armed) return;
    armed = 0;
    close(restore_terminal);
    close(nowhere);
}

void ct_restore(void) {
    if (!armed) return;
    armed = 0;
    /* A crash is not the end yet: a backtrace may take a second, in which the terminal's thread
     * would go on drawing. */
    if (nowhere >= 0) dup2(nowhere, restore_output);
    /* A terminal that takes no output must not keep the process from ending. */
    struct pollfd writable = {.fd = restore_terminal, .events = POLLOUT};
    if (poll(&writable, 1, RESTORE_PATIENCE) == 1) {
        ssize_t ignored = write(restore_terminal, restore_bytes, restore_count);
        (void)ignored;
    }
    tcsetattr(restore_input, TCSANOW, &restore_modes);
}

static void note(int number) {
    int error = errno;
    if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) {
        /* Asked again before the first was even read: whoever reads it is stuck, in a terminal
         * that takes no output. */
        if (endings++ > 0) {
            ct_restore();
            signal(number, SIG_DFL);
            raise(number);
            return;
        }
    }
    unsigned char byte = (unsigned char)number;
    /* The pipe does not block; when it is full the reader is awake anyway. */
    ssize_t ignored = write(pipe_write, &byte, 1);
    (void)ignored;
    errno = error;
}

static void crash(int number, siginfo_t *info, void *context) {
    (void)context;
    ct_restore();
    /* Whoever had the signal before gets it when this handler returns: it is blocked until then.
     * Not so if a process sent it: a handler that reports a fault and expects it to happen again
     * would let the program live on. */
    struct sigaction ending;
    memset(&ending, 0, sizeof ending);
    sigemptyset(&ending.sa_mask);
    ending.sa_handler = SIG_DFL;
    if (info->si_code > 0)
        for (int i = 0; i < FATAL_COUNT; i++)
            if (FATAL[i] == number) ending = fatal_before[i];
    sigaction(number, &ending, NULL);
    raise(number);
}

int ct_signals_begin(void) {
    int ends[2];
    if (pipe_read >= 0) return -1;
    if (pipe(ends) != 0) return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    pipe_read = ends[0];
    pipe_write = ends[1];

    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    /* Threads that a pool starts have these blocked; on this one they are always welcome. */
    sigset_t noted;
    sigemptyset(&noted);
    for (int i = 0; i < NOTED_COUNT; i++) {
        sigaction(NOTED[i], &action, &noted_before[i]);
        sigaddset(&noted, NOTED[i]);
    }
    /* These stop a background job that reaches for the terminal; blocked, it would be told that
     * the terminal is gone. */
    sigaddset(&noted, SIGTTIN);
    sigaddset(&noted, SIGTTOU);
    pthread_sigmask(SIG_UNBLOCK, &noted, &mask_before);

    /* A stack of its own, or an overflowing one could not be reported. It serves this thread;
     * on others the handlers run where they are, which suffices for everything else. */
    stack = malloc(STACK_BYTES);
    if (stack != NULL) {
        stack_t alternate = {.ss_sp = stack, .ss_size = STACK_BYTES, .ss_flags = 0};
        sigaltstack(&alternate, NULL);
    }
    action.sa_sigaction = crash;
    action.sa_flags = SA_ONSTACK | SA_SIGINFO;
    for (int i = 0; i < FATAL_COUNT; i++) {
        sigaction(FATAL[i], NULL, &fatal_before[i]);
        /* Whoever started the program does not want to hear of it. */
        if (fatal_before[i].sa_handler == SIG_IGN) continue;
        sigaction(FATAL[i], &action, NULL);
    }
    return pipe_read;
}

void ct_signals_taken(void) {
    endings = 0;
}

void ct_signal_job(int number) {
    pid_t job = tcgetpgrp(restore_input);
    /* Not at the terminal that controls the process: nobody else is meant. */
    if (!armed || job != getpgrp()) raise(number);
    else killpg(job, number);
}

void ct_signals_end(void) {
    if (pipe_read < 0) return;
    endings = 0;
    for (int i = 0; i < FATAL_COUNT; i++) sigaction(FATAL[i], &fatal_before[i], NULL);
    for (int i = 0; i < NOTED_COUNT; i++) sigaction(NOTED[i], &noted_before[i], NULL);
    pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
    if (stack != NULL) {
        stack_t none = {.ss_sp = NULL, .ss_size = 0, .ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        free(stack);
        stack = NULL;
    }
    int reading = pipe_read;
    int writing = pipe_write;
    pipe_read = -1;
    pipe_write = -1;
    close(reading);
    close(writing);
}

void ct_signals_stop_now(void) {
    struct sigaction noting;
    struct sigaction stopping;
    memset(&stopping, 0, sizeof stopping);
    sigemptyset(&stopping.sa_mask);
    stopping.sa_handler = SIG_DFL;
    sigaction(SIGTSTP, &stopping, &noting);
    /* To this thread, so that it has happened when the call returns; it stops them all. */
    raise(SIGTSTP);
    sigaction(SIGTSTP, &noting, NULL);
}
