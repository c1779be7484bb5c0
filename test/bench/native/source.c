/*
 * source: an SMTP client for measurements, many sessions in one process and one thread.
 *
 *   source port=N [host=A] [sessions=N] [messages=N] [per=N] [size=N] [rcpts=N] [users=N] [domains=N] [sources=N]
 *          [to=domain] [tls=1] [resume=1] [auth=user:password]
 *   source port=N idle=N      opens N sessions up to EHLO, says so, and holds them until its input ends
 *
 * Each session sends `per` messages a connection without pipelining. Recipients are user<n % users>@d<n % domains>.<to>
 * with n counting all recipients of the run. `sources` spreads the clients over as many addresses of 127.16/12.
 * Prints one JSON object: what was accepted and refused, and percentiles of the wait for the final reply.
 * Compiled with -DHAVE_TLS it knows STARTTLS, with -lssl -lcrypto.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_TLS
#include <openssl/ssl.h>
static SSL_CTX *context;
/* As bytes: OpenSSL takes a session that several connections share for used up as soon as one of them gets a new ticket. */
static unsigned char ticket[8192];
static int ticket_length;
#else
typedef void SSL;
#endif

enum step { GREETING, EHLO, STARTTLS, HANDSHAKE, EHLO_TLS, AUTH, IDLE, MAIL, RCPT, DATA, CONTENT, QUIT };
static const char *NAMES[] = { "greeting", "EHLO", "STARTTLS", "handshake", "EHLO", "AUTH", "idle", "MAIL", "RCPT", "DATA", "end of data", "QUIT" };

struct session {
    int fd, connected, sent, rcpt, idle_held;
    enum step step;
    SSL *ssl;
    char out[1024];
    const char *from;          /* what is being written: `out`, or the shared content */
    size_t left;
    char in[4096];
    size_t have;
    double started;
};

static char *host = "127.0.0.1", *domain = "example.net", *auth;
static long port, sessions = 20, messages = 1, per = 1, size = 2000, rcpts = 1, users, domains, sources, tls, resume, idle;
static long begun, accepted, refused, resumed, open_sessions, idle_ready, idle_lost, connections, recipient_number;
static char first_refusal[512], auth_line[512], *content;
static size_t content_length;
static double *waits;
static int poll_fd;
static struct sockaddr_in server;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000.0 + t.tv_nsec / 1e6;
}

static void watch(struct session *s) {
    struct epoll_event event = { .events = EPOLLIN | (s->left > 0 || !s->connected || s->step == HANDSHAKE ? EPOLLOUT : 0), .data.ptr = s };
#ifdef HAVE_TLS
    if (s->step == HANDSHAKE && s->ssl && !SSL_want_write(s->ssl)) event.events = EPOLLIN;
#endif
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, s->fd, &event);
}

static ssize_t put(struct session *s) {
#ifdef HAVE_TLS
    if (s->ssl && s->step != HANDSHAKE) {
        size_t part = s->left > 16384 ? 16384 : s->left;
        int done = SSL_write(s->ssl, s->from, (int) part);
        if (done > 0) return done;
        int why = SSL_get_error(s->ssl, done);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
        return -1;
    }
#endif
    return send(s->fd, s->from, s->left, MSG_NOSIGNAL);
}

static ssize_t get(struct session *s) {
    size_t room = sizeof s->in - 1 - s->have;
#ifdef HAVE_TLS
    if (s->ssl && s->step != HANDSHAKE) {
        int done = SSL_read(s->ssl, s->in + s->have, (int) room);
        if (done > 0) return done;
        int why = SSL_get_error(s->ssl, done);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) { errno = EAGAIN; return -1; }
        return 0;
    }
#endif
    return recv(s->fd, s->in + s->have, room, 0);
}

static void dial(struct session *s);

/* Whether this session has another message to send; the message is then its own. */
static int take(void) { return begun < messages ? (begun++, 1) : 0; }

static void hang_up(struct session *s) {
#ifdef HAVE_TLS
    if (s->ssl) { SSL_shutdown(s->ssl); SSL_free(s->ssl); s->ssl = NULL; }
#endif
    close(s->fd);
    s->fd = -1;
    open_sessions--;
}

static void next_connection(struct session *s) {
    hang_up(s);
    if (!idle && take()) dial(s);
}

/* Every message given to a session ends as accepted or refused. */
static void fail(struct session *s, const char *why) {
    if (idle) { idle_lost++; hang_up(s); return; }
    if (s->step != QUIT) {
        refused++;
        if (!first_refusal[0]) snprintf(first_refusal, sizeof first_refusal, "%s: %s", NAMES[s->step], why);
    }
    next_connection(s);
}

static void flush_out(struct session *s) {
    while (s->left > 0) {
        ssize_t done = put(s);
        if (done < 0) {
            if (errno != EAGAIN) { fail(s, strerror(errno)); return; }
            break;
        }
        s->from += done;
        s->left -= (size_t) done;
    }
    if (s->step == CONTENT && s->left == 0 && s->started == 0) s->started = now();
    watch(s);
}

static void say(struct session *s, enum step step, const char *text) {
    s->step = step;
    s->from = strcpy(s->out, text);
    s->left = strlen(text);
    flush_out(s);
}

static void say_recipient(struct session *s) {
    char line[256], user[64] = "recipient", at[128];
    long n = recipient_number++;
    if (users) snprintf(user, sizeof user, "user%ld", n % users);
    if (domains) snprintf(at, sizeof at, "d%ld.%s", n % domains, domain);
    else snprintf(at, sizeof at, "%s", domain);
    snprintf(line, sizeof line, "RCPT TO:<%s@%s>\r\n", user, at);
    s->rcpt++;
    say(s, RCPT, line);
}

static void say_mail(struct session *s) {
    s->rcpt = 0;
    say(s, MAIL, "MAIL FROM:<sender@example.com>\r\n");
}

static void say_content(struct session *s) {
    s->step = CONTENT;
    s->from = content;
    s->left = content_length;
    s->started = 0;
    flush_out(s);
}

static void handshake(struct session *s) {
#ifdef HAVE_TLS
    if (!s->ssl) {
        s->ssl = SSL_new(context);
        SSL_set_fd(s->ssl, s->fd);
        if (resume && ticket_length) {
            const unsigned char *bytes = ticket;
            SSL_SESSION *session = d2i_SSL_SESSION(NULL, &bytes, ticket_length);
            SSL_set_session(s->ssl, session);
            SSL_SESSION_free(session);
        }
    }
    int done = SSL_connect(s->ssl);
    if (done == 1) {
        if (SSL_session_reused(s->ssl)) resumed++;
        say(s, EHLO_TLS, "EHLO client.example.com\r\n");
        return;
    }
    int why = SSL_get_error(s->ssl, done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) watch(s);
    else fail(s, "TLS handshake failed");
#else
    fail(s, "built without TLS");
#endif
}

static void after_ehlo(struct session *s) {
    if (idle) {
        s->step = IDLE;
        s->idle_held = 1;
        if (++idle_ready == idle) { printf("{\"idle\":%ld}\n", idle_ready); fflush(stdout); }
    } else if (tls && s->step == EHLO) say(s, STARTTLS, "STARTTLS\r\n");
    else if (auth && s->step != AUTH) say(s, AUTH, auth_line);
    else say_mail(s);
}

static void message_done(struct session *s) {
    waits[accepted++] = now() - s->started;
    s->sent++;
    if (s->sent < per && take()) say_mail(s);
    else say(s, QUIT, "QUIT\r\n");
}

static void reply(struct session *s, const char *line) {
    char good = s->step == DATA || s->step == STARTTLS ? (s->step == DATA ? '3' : '2') : '2';
    if (line[0] != good) { fail(s, line); return; }
    switch (s->step) {
    case GREETING: say(s, EHLO, "EHLO client.example.com\r\n"); break;
    case EHLO: case EHLO_TLS: case AUTH: after_ehlo(s); break;
    case STARTTLS: s->step = HANDSHAKE; handshake(s); break;
    case MAIL: say_recipient(s); break;
    case RCPT: if (s->rcpt < rcpts) say_recipient(s); else say(s, DATA, "DATA\r\n"); break;
    case DATA: say_content(s); break;
    case CONTENT: message_done(s); break;
    case QUIT: next_connection(s); break;
    default: fail(s, line);
    }
}

static void hear(struct session *s) {
    ssize_t got = get(s);
    if (got < 0 && errno == EAGAIN) { watch(s); return; }
    if (got <= 0) { fail(s, "connection closed"); return; }
    s->have += (size_t) got;
    s->in[s->have] = 0;
    int fd = s->fd;
    for (char *end; s->fd == fd && (end = strstr(s->in, "\r\n")) != NULL;) {
        char line[4096];
        size_t length = (size_t) (end - s->in);
        memcpy(line, s->in, length);
        line[length] = 0;
        s->have -= length + 2;
        memmove(s->in, end + 2, s->have + 1);
        if (length < 4 || line[3] != '-') reply(s, line);
        if (!s->connected) break;  /* A new connection in its place. */
    }
    if (s->have >= sizeof s->in - 1) fail(s, "a reply that never ends");
}

static void dial(struct session *s) {
    memset(s, 0, offsetof(struct session, out));
    s->left = s->have = 0;
    s->step = GREETING;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    open_sessions++;
    int one = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    long n = connections++;
    if (sources > 0) {
        struct sockaddr_in own = { .sin_family = AF_INET };
        own.sin_addr.s_addr = htonl(0x7f100001u + (unsigned) (n % sources));
        setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(s->fd, (struct sockaddr *) &own, sizeof own) < 0) perror("bind");
    }
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = s };
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event);
    if (connect(s->fd, (struct sockaddr *) &server, sizeof server) < 0 && errno != EINPROGRESS) fail(s, strerror(errno));
}

static void turn(struct session *s, unsigned events) {
    if (s->fd < 0) return;
    if (!s->connected && events & (EPOLLOUT | EPOLLERR)) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) { fail(s, strerror(error)); return; }
        s->connected = 1;
        watch(s);
    }
    if (s->step == HANDSHAKE) { handshake(s); return; }
    if (events & EPOLLOUT && s->left > 0) { flush_out(s); return; }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(s);
}

static void base64(char *to, const unsigned char *from, size_t length) {
    static const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        unsigned v = from[i] << 16 | (i + 1 < length ? from[i + 1] : 0) << 8 | (i + 2 < length ? from[i + 2] : 0);
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < length ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < length ? digits[v & 63] : '=';
    }
    *to = 0;
}

static void prepare(void) {
    static const char *header = "From: <sender@example.com>\r\nTo: <recipient@example.net>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n"
        "Message-Id: <bench@client.example.com>\r\nSubject: a message of the benchmark\r\n\r\n";
    content = malloc((size_t) size + 256 + strlen(header));
    content_length = strlen(strcpy(content, header));
    while (content_length < (size_t) size) {
        for (int i = 0; i < 78 && content_length < (size_t) size; i++) content[content_length++] = 'X';
        memcpy(content + content_length, "\r\n", 2);
        content_length += 2;
    }
    memcpy(content + content_length, ".\r\n", 3);
    content_length += 3;
    waits = malloc(sizeof *waits * (size_t) (messages + 1));
    if (auth) {
        char plain[256], text[400];
        size_t length = (size_t) snprintf(plain, sizeof plain, "%c%s", 0, auth);
        char *colon = strchr(plain + 1, ':');
        if (colon) *colon = 0;
        base64(text, (unsigned char *) plain, length);
        snprintf(auth_line, sizeof auth_line, "AUTH PLAIN %s\r\n", text);
    }
}

#ifdef HAVE_TLS
static int keep_ticket(SSL *ssl, SSL_SESSION *session) {
    (void) ssl;
    unsigned char *bytes = ticket;
    int length = i2d_SSL_SESSION(session, NULL);
    if (length > 0 && (size_t) length <= sizeof ticket) ticket_length = i2d_SSL_SESSION(session, &bytes);
    return 0;
}
#endif

static int by_size(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static double percentile(double part) {
    if (accepted == 0) return 0;
    long at = (long) (part * (double) accepted);
    return waits[at >= accepted ? accepted - 1 : at];
}

static void options(int count, char **words) {
    struct { const char *name; long *number; char **text; } known[] = {
        { "port", &port, 0 }, { "sessions", &sessions, 0 }, { "messages", &messages, 0 }, { "per", &per, 0 }, { "size", &size, 0 },
        { "rcpts", &rcpts, 0 }, { "users", &users, 0 }, { "domains", &domains, 0 }, { "sources", &sources, 0 }, { "tls", &tls, 0 },
        { "resume", &resume, 0 }, { "idle", &idle, 0 }, { "host", 0, &host }, { "to", 0, &domain }, { "auth", 0, &auth },
    };
    for (int i = 1; i < count; i++) {
        char *value = strchr(words[i], '=');
        size_t k = 0, all = sizeof known / sizeof *known;
        for (; value && k < all; k++) {
            if (strncmp(words[i], known[k].name, (size_t) (value - words[i])) == 0 && known[k].name[value - words[i]] == 0) break;
        }
        if (!value || k == all) { fprintf(stderr, "source: unknown option %s\n", words[i]); exit(2); }
        if (known[k].number) *known[k].number = atol(value + 1);
        else *known[k].text = value + 1;
    }
}

int main(int count, char **words) {
    options(count, words);
    prepare();
    server = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((unsigned short) port) };
    inet_pton(AF_INET, host, &server.sin_addr);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
#ifdef HAVE_TLS
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_ticket);
#endif
    long all = idle ? idle : sessions, at_once = idle ? 100 : all, dialed = 0;
    struct session *table = calloc((size_t) all, sizeof *table);
    for (long i = 0; i < all; i++) table[i].fd = -1;
    double started = now();
    struct epoll_event events[256], input = { .events = EPOLLIN, .data.ptr = NULL };
    if (idle) epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &input);
    for (int ended = 0; !ended && (idle || open_sessions > 0 || dialed == 0);) {
        for (; dialed < all && open_sessions - idle_ready < at_once; dialed++) {
            if (idle || take()) dial(&table[dialed]);
        }
        int ready = epoll_wait(poll_fd, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) turn(events[i].data.ptr, events[i].events);
            else ended = 1;
        }
        if (!idle && open_sessions == 0 && begun >= messages) break;
    }
    double seconds = (now() - started) / 1000;
    qsort(waits, (size_t) accepted, sizeof *waits, by_size);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    for (char *c = first_refusal; *c; c++) if (*c == '"' || *c == '\\' || (unsigned char) *c < ' ') *c = '\'';
    printf("{\"accepted\":%ld,\"refused\":%ld,\"seconds\":%.4f,\"p50\":%.3f,\"p99\":%.3f,\"worst\":%.3f,\"cpuMs\":%.1f,\"resumed\":%ld,"
        "\"connections\":%ld,\"idleLost\":%ld,\"firstRefusal\":\"%s\"}\n", accepted, refused, seconds, percentile(0.5), percentile(0.99),
        percentile(1), cpu, resumed, connections, idle_lost, first_refusal);
    return 0;
}
