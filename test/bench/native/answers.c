/*
 * answers: a name server that knows nothing, and a policy server that has no opinion, in one thread.
 *
 *   answers dns=ADDRESS:PORT policy=PORT
 *
 * Every question over UDP is answered with NXDOMAIN: no client is on any list. Every request of the policy protocol
 * is answered with action=dunno. A line on its input makes it print how many of each there were.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct client { int fd, newlines; };
static long questions, requests;

static struct sockaddr_in place(const char *host, long port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short) port) };
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static void answer_question(int fd) {
    unsigned char packet[4096];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *) &from, &length);
    if (got < 17) return;
    /* RFC 1035 §4.1: the header, and the question without what follows it. */
    ssize_t end = 12;
    while (end < got && packet[end] != 0) end += packet[end] + 1;
    end += 5;
    if (end > got) return;
    packet[2] = (unsigned char) (0x84 | (packet[2] & 1));
    packet[3] = 0x83;
    memset(packet + 6, 0, 6);
    questions++;
    sendto(fd, packet, (size_t) end, 0, (struct sockaddr *) &from, length);
}

static int answer_requests(struct client *c) {
    static char data[65536];
    ssize_t got = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) return 0;
    for (ssize_t i = 0; i < got; i++) {
        c->newlines = data[i] == '\n' ? c->newlines + 1 : 0;
        if (c->newlines < 2) continue;
        c->newlines = 0;
        requests++;
        if (send(c->fd, "action=dunno\n\n", 14, MSG_NOSIGNAL) < 0) return 0;
    }
    return 1;
}

int main(int count, char **words) {
    char host[64] = "127.0.0.1";
    long port = 53, policy = 0;
    for (int i = 1; i < count; i++) {
        if (sscanf(words[i], "dns=%63[^:]:%ld", host, &port) == 2) continue;
        sscanf(words[i], "policy=%ld", &policy);
    }
    struct sockaddr_in names = place(host, port), opinions = place("127.0.0.1", policy);
    int dns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(dns, (struct sockaddr *) &names, sizeof names) < 0) { perror("answers: dns"); return 1; }
    if (bind(listener, (struct sockaddr *) &opinions, sizeof opinions) < 0 || listen(listener, 1024) < 0) { perror("answers: policy"); return 1; }
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct client ask = { .fd = dns }, admit = { .fd = listener }, input = { .fd = 0 };
    for (int i = 0; i < 3; i++) {
        struct client *c = i == 0 ? &ask : i == 1 ? &admit : &input;
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    }
    printf("ready\n");
    fflush(stdout);
    for (struct epoll_event events[64];;) {
        int ready = epoll_wait(poll_fd, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (c == &ask) answer_question(dns);
            else if (c == &input) {
                char line[64];
                if (read(0, line, sizeof line) <= 0) return 0;
                printf("{\"questions\":%ld,\"requests\":%ld}\n", questions, requests);
                fflush(stdout);
            } else if (c == &admit) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    struct client *made = calloc(1, sizeof *made);
                    made->fd = fd;
                    struct epoll_event event = { .events = EPOLLIN, .data.ptr = made };
                    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
                }
            } else if (!answer_requests(c)) { close(c->fd); free(c); }
        }
    }
}
