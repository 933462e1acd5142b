/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over every file of a corpus folder, so that each input once found stays tested in
 * builds without libFuzzer. A missing folder runs the empty input alone.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data;
    long size;
    size_t got;

    if (f == NULL) {
        perror(path);
        return 1;
    }
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    if (size < 0) { /* a folder */
        fclose(f);
        return 0;
    }
    data = malloc(size > 0 ? (size_t)size : 1);
    got = data != NULL ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    if (data != NULL) {
        LLVMFuzzerTestOneInput(data, got);
    }
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1] = {0};
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    int failed = 0;
    int files = 0;

    LLVMFuzzerTestOneInput(nothing, 0);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char path[4096];

        if (e->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
        failed |= replay(path);
        files++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    printf("replayed %d inputs\n", files);
    return failed;
}
