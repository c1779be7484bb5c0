/*
 * fill: copies one deferred message, and its defer log, many times into a queue, under the names that Postfix gives.
 *
 *   fill spool=DIR message=FILE log=FILE count=N uid=N gid=N at=SECONDS [from=N]
 *
 * Short queue ids: microseconds in five hexadecimal digits, then the inode (postconf(5) enable_long_queue_ids);
 * deferred/ and defer/ are hashed by the first character of the id. `at` is the time of the next attempt;
 * `from` begins elsewhere in the order of the ids. Prints the last id.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *spool, *message_file, *log_file;
static long count, uid, gid, at, from;

static char *load(const char *path, size_t *length) {
    struct stat facts;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &facts) < 0) { perror(path); exit(1); }
    char *bytes = malloc((size_t) facts.st_size + 1);
    *length = (size_t) read(fd, bytes, (size_t) facts.st_size);
    close(fd);
    return bytes;
}

static void folder(const char *path) {
    mkdir(path, 0700);
    if (chown(path, (uid_t) uid, (gid_t) gid) < 0) perror(path);
}

static int make(const char *path, const char *bytes, size_t length, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t) length || fchmod(fd, mode) < 0 || fchown(fd, (uid_t) uid, (gid_t) gid) < 0) { perror(path); exit(1); }
    return fd;
}

int main(int words, char **word) {
    for (int i = 1; i < words; i++) {
        char *value = strchr(word[i], '=');
        if (!value) return 2;
        *value++ = 0;
        if (strcmp(word[i], "spool") == 0) spool = value;
        else if (strcmp(word[i], "message") == 0) message_file = value;
        else if (strcmp(word[i], "log") == 0) log_file = value;
        else if (strcmp(word[i], "count") == 0) count = atol(value);
        else if (strcmp(word[i], "uid") == 0) uid = atol(value);
        else if (strcmp(word[i], "gid") == 0) gid = atol(value);
        else if (strcmp(word[i], "at") == 0) at = atol(value);
        else if (strcmp(word[i], "from") == 0) from = atol(value);
        else return 2;
    }
    size_t message_length, log_length;
    char *message = load(message_file, &message_length), *log = load(log_file, &log_length), path[512], name[64], temporary[512];
    for (int i = 0; i < 16; i++) {
        snprintf(path, sizeof path, "%s/deferred/%X", spool, i);
        folder(path);
        snprintf(path, sizeof path, "%s/defer/%X", spool, i);
        folder(path);
    }
    struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };
    for (long n = from; n < from + count; n++) {
        long usec = n * 7919 % 1000000;
        struct stat facts;
        snprintf(temporary, sizeof temporary, "%s/deferred/%lX/fill", spool, usec >> 16);
        int fd = make(temporary, message, message_length, 0700);
        fstat(fd, &facts);
        futimens(fd, times);
        close(fd);
        snprintf(name, sizeof name, "%05lX%lX", usec, (unsigned long) facts.st_ino);
        snprintf(path, sizeof path, "%s/deferred/%c/%s", spool, name[0], name);
        if (rename(temporary, path) < 0) { perror(path); return 1; }
        snprintf(path, sizeof path, "%s/defer/%c/%s", spool, name[0], name);
        close(make(path, log, log_length, 0600));
    }
    printf("%s\n", name);
    return 0;
}
