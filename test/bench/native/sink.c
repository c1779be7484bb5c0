/*
 * sink: an SMTP server for measurements that takes everything, on all addresses, in one thread.
 *
 *   sink port=N [delay=MS]
 *
 * With a delay each reply, the greeting included, comes that much after its command and after the reply before.
 * A line on its input makes it print one JSON object with what it took since the last: messages, recipients, bytes,
 * and for each address that clients connected to (its last octet) the messages and the time of the first and last.
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
#include <time.h>
#include <unistd.h>

enum { REPLIES = 4096, INPUT = 65536 };
static const char *TEXTS[] = {
    "220 sink.example ESMTP\r\n", "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n", "250 2.0.0 Ok\r\n",
    "354 go ahead\r\n", "221 2.0.0 Bye\r\n",
};
enum text { GREETING, EHLO, OK, GO_AHEAD, BYE };

struct client {
    int fd, in_content, dots, closing, slot;
    unsigned char address;
    char line[16];
    size_t length;
    /* Replies that wait for their time. */
    unsigned char queue[REPLIES];
    int first, waiting;
    double due;
};

static struct { long messages; double first, last; } addresses[256];
static struct client **waiting_clients;
static long delay, port, messages, recipients, bytes, peak, connections;
static int poll_fd, waiting_count, waiting_room, open_clients;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000.0 + t.tv_nsec / 1e6;
}

static void forget_waiting(struct client *c) {
    if (c->slot < 0) return;
    waiting_clients[c->slot] = waiting_clients[--waiting_count];
    waiting_clients[c->slot]->slot = c->slot;
    c->slot = -1;
}

static void drop(struct client *c) {
    forget_waiting(c);
    close(c->fd);
    free(c);
    open_clients--;
}

static void queue(struct client *c, enum text text) {
    if (c->waiting == REPLIES) return;
    if (c->waiting == 0) c->due = now() + (double) delay;
    c->queue[(c->first + c->waiting++) % REPLIES] = text;
    if (delay == 0 || c->slot >= 0) return;
    if (waiting_count == waiting_room) waiting_clients = realloc(waiting_clients, sizeof *waiting_clients * (size_t) (waiting_room += 1024));
    c->slot = waiting_count;
    waiting_clients[waiting_count++] = c;
}

/* Sends what is due, in one write. Returns 0 when the client is gone. */
static int answer(struct client *c) {
    char out[8192];
    size_t length = 0;
    double time = delay ? now() : 0;
    while (c->waiting > 0 && (delay == 0 || c->due <= time) && length < sizeof out - 256) {
        const char *text = TEXTS[c->queue[c->first]];
        memcpy(out + length, text, strlen(text));
        length += strlen(text);
        c->closing |= c->queue[c->first] == BYE;
        c->first = (c->first + 1) % REPLIES;
        c->waiting--;
        c->due += (double) delay;
    }
    if (c->waiting == 0) forget_waiting(c);
    if (length > 0 && send(c->fd, out, length, MSG_NOSIGNAL) < 0 && errno != EAGAIN) return 0;
    return !c->closing;
}

static void taken(struct client *c) {
    double time = now();
    messages++;
    if (addresses[c->address].messages++ == 0) addresses[c->address].first = time;
    addresses[c->address].last = time;
    queue(c, OK);
}

static void command(struct client *c) {
    const char *verb = c->line;
    if (strncasecmp(verb, "EHLO", 4) == 0 || strncasecmp(verb, "LHLO", 4) == 0) queue(c, EHLO);
    else if (strncasecmp(verb, "DATA", 4) == 0) { queue(c, GO_AHEAD); c->in_content = 1; c->dots = 2; }
    else if (strncasecmp(verb, "QUIT", 4) == 0) queue(c, BYE);
    else { if (strncasecmp(verb, "RCPT", 4) == 0) recipients++; queue(c, OK); }
}

/* `dots` counts how much of CR LF . CR LF has been seen. */
static size_t content(struct client *c, const char *data, size_t length) {
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < length) {
        if (c->dots == 0) {
            const char *cr = memchr(data + i, '\r', length - i);
            if (!cr) return length;
            i = (size_t) (cr - data) + 1;
            c->dots = 1;
            continue;
        }
        char byte = data[i++];
        c->dots = byte == end[c->dots] ? c->dots + 1 : byte == '\r' ? 1 : 0;
        if (c->dots == 5) { c->in_content = 0; taken(c); return i; }
    }
    return i;
}

static void input(struct client *c, const char *data, size_t length) {
    bytes += (long) length;
    for (size_t i = 0; i < length;) {
        if (c->in_content) { i += content(c, data + i, length - i); continue; }
        char byte = data[i++];
        if (byte == '\n') { c->line[c->length < 15 ? c->length : 15] = 0; c->length = 0; command(c); }
        else if (c->length < 15) c->line[c->length++] = byte;
    }
}

static void admit(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct client *c = calloc(1, sizeof *c);
        struct sockaddr_in own;
        socklen_t length = sizeof own;
        int one = 1;
        getsockname(fd, (struct sockaddr *) &own, &length);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->slot = -1;
        c->address = ntohl(own.sin_addr.s_addr) & 255;
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
        connections++;
        if (++open_clients > peak) peak = open_clients;
        queue(c, GREETING);
        if (!answer(c)) drop(c);
    }
}

static void report(void) {
    printf("{\"messages\":%ld,\"recipients\":%ld,\"bytes\":%ld,\"peak\":%ld,\"connections\":%ld,\"addresses\":[", messages, recipients, bytes, peak, connections);
    const char *comma = "";
    for (int i = 0; i < 256; i++) {
        if (addresses[i].messages == 0) continue;
        printf("%s{\"address\":%d,\"messages\":%ld,\"first\":%.1f,\"last\":%.1f}", comma, i, addresses[i].messages, addresses[i].first, addresses[i].last);
        comma = ",";
    }
    printf("]}\n");
    fflush(stdout);
    memset(addresses, 0, sizeof addresses);
    messages = recipients = bytes = connections = 0;
    peak = open_clients;
}

static void serve(struct client *c) {
    static char data[INPUT];
    ssize_t got = recv(c->fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { drop(c); return; }
    input(c, data, (size_t) got);
    if (!answer(c)) drop(c);
}

int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        if (strncmp(words[i], "port=", 5) == 0) port = atol(words[i] + 5);
        else if (strncmp(words[i], "delay=", 6) == 0) delay = atol(words[i] + 6);
    }
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons((unsigned short) port) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *) &own, sizeof own) < 0 || listen(listener, 4096) < 0) { perror("sink"); return 1; }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256], event = { .events = EPOLLIN, .data.ptr = &listener }, asked = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &asked);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, 256, delay && waiting_count ? 2 : -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &listener) admit(listener);
            else if (events[i].data.ptr) serve(events[i].data.ptr);
            else { char line[64]; if (read(0, line, sizeof line) <= 0) return 0; report(); }
        }
        for (int i = waiting_count - 1; delay && i >= 0; i--) {
            struct client *c = waiting_clients[i];
            if (c->due <= now() && !answer(c)) drop(c);
        }
    }
}
