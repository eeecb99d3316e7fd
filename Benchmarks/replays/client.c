// The replays over libcurl: one multi handle, so that requests share connections.
//
// Usage: client-curl --authority FILE [--ping-after SECONDS] [--connect-timeout SECONDS]
//
// A line of the standard input is a request: NUMBER METHOD URL LENGTH PROXY ("-" for no proxy). It
// is sent at once, and a line of JSON is printed when it has ended. libcurl sends no PING while a
// request runs, so --ping-after has no effect.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    int number;
    char *body;
    long long bytes;
    char error[CURL_ERROR_SIZE];
};

static const char *authority;
static long connect_timeout;

static size_t take(char *data, size_t size, size_t count, void *context) {
    (void)data;
    ((struct request *)context)->bytes += (long long)(size * count);
    return size * count;
}

static void begin(CURLM *multi, const char *line) {
    struct request *request = calloc(1, sizeof *request);
    CURL *easy = curl_easy_init();
    char method[16], url[512], proxy[256];
    long length = 0;
    if (!request || !easy
        || sscanf(line, "%d %15s %511s %ld %255s", &request->number, method, url, &length, proxy)
            != 5)
        exit(2);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CAINFO, authority);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // An empty text also rules out the proxies that the environment names.
    curl_easy_setopt(easy, CURLOPT_PROXY, strcmp(proxy, "-") ? proxy : "");
    if (connect_timeout) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, connect_timeout);
    if (!strcmp(method, "POST")) {
        request->body = malloc((size_t)length + 1);
        if (!request->body) exit(2);
        memset(request->body, 'x', (size_t)length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    curl_multi_add_handle(multi, easy);
}

static void end(CURLM *multi, CURL *easy, CURLcode result) {
    struct request *request;
    long status = 0, version = 0;
    double head = 0, total = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME, &head);
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME, &total);
    const char *error = "";
    if (result != CURLE_OK) error = *request->error ? request->error : curl_easy_strerror(result);
    const char *name = !status ? "" : version == CURL_HTTP_VERSION_2_0 ? "2" : "1.1";
    printf("{\"id\":%d,\"status\":%ld,\"version\":\"%s\",", request->number, status, name);
    printf("\"headMs\":%.3f,\"ms\":%.3f,\"bytes\":%lld,\"error\":\"",
        head * 1000, total * 1000, request->bytes);
    for (; *error; error++) {
        if (*error == '"' || *error == '\\') putchar('\\');
        putchar((unsigned char)*error < ' ' ? ' ' : *error);
    }
    puts("\"}");
    fflush(stdout);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    free(request->body);
    free(request);
}

// Begins the requests of the whole lines that are there; 0 at the end of the input.
static int read_lines(CURLM *multi) {
    static char text[65536];
    static size_t filled;
    ssize_t count = read(STDIN_FILENO, text + filled, sizeof text - filled - 1);
    if (count <= 0) return 0;
    filled += (size_t)count;
    text[filled] = 0;
    char *line = text;
    for (char *stop; (stop = strchr(line, '\n')); line = stop + 1) {
        *stop = 0;
        begin(multi, line);
    }
    filled -= (size_t)(line - text);
    memmove(text, line, filled);
    return 1;
}

int main(int count, char **arguments) {
    for (int i = 1; i + 1 < count; i += 2) {
        if (!strcmp(arguments[i], "--authority")) authority = arguments[i + 1];
        if (!strcmp(arguments[i], "--connect-timeout")) connect_timeout = atol(arguments[i + 1]);
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    if (!authority || !multi) return 2;
    for (int running = 0;;) {
        struct curl_waitfd input = {STDIN_FILENO, CURL_WAIT_POLLIN, 0};
        curl_multi_poll(multi, &input, 1, 1000, NULL);
        if (input.revents && !read_lines(multi)) return 0;
        curl_multi_perform(multi, &running);
        CURLMsg *message;
        while ((message = curl_multi_info_read(multi, &running))) {
            if (message->msg != CURLMSG_DONE) continue;
            end(multi, message->easy_handle, message->data.result);
        }
    }
}
