/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "polkit-agent.h"
#include "util.h"

#define AGENT_PROGRAM "/usr/bin/pkttyagent"
/* An agent that has neither registered nor ended by then is not waited for. */
#define REGISTER_MSEC 5000

static _noreturn_ void run_agent(pid_t parent, int notify_fd) {
        char option[16];

        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || fcntl(notify_fd, F_SETFD, 0) < 0)
                _exit(EXIT_FAILURE);
        (void) snprintf(option, sizeof option, "%d", notify_fd);
        (void) execl(AGENT_PROGRAM, AGENT_PROGRAM, "--notify-fd", option, "--fallback", (char *) NULL);
        _exit(EXIT_FAILURE);
}

pid_t polkit_agent_start(void) {
        pid_t parent = getpid(), agent;
        struct pollfd p;
        int fds[2];

        if (geteuid() == 0 || !isatty(STDIN_FILENO) || access(AGENT_PROGRAM, X_OK) < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        agent = fork();
        if (agent == 0)
                run_agent(parent, fds[1]);
        safe_close(fds[1]);
        /* It closes its end when it is registered. */
        p = (struct pollfd) { .fd = fds[0], .events = POLLHUP };
        if (agent > 0)
                (void) poll(&p, 1, REGISTER_MSEC);
        safe_close(fds[0]);
        return agent > 0 ? agent : 0;
}

void polkit_agent_end(pid_t agent) {
        if (agent <= 0)
                return;
        /* It restores the terminal when it is asked to end, and does not when it is killed. */
        (void) kill(agent, SIGTERM);
        (void) kill(agent, SIGCONT);
        (void) waitpid(agent, NULL, 0);
}
