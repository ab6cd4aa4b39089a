/* What the commands give: the contract's JSON keys, exit codes, and files. */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/file.h"
#include "data/image.h"
#include "formats/npy.h"
#include "testing.h"

/* Small enough for the reference backend, and still the whole network. */
enum { input_size = 67, classes = 10 };

static void has_keys(json_t *json, const char *keys) {
    char name[32];
    for (int used; sscanf(keys, " %31s%n", name, &used) == 1; keys += used)
        value(json, name);
}

static void test_summary(void **state) {
    (void)state;
    json_t *json = document("summary");
    has_keys(json, "arch parameters macs layers memory");
    assert_int_equal(json_integer_value(value(json, "parameters")), 62378344);
    json_t *first = json_array_get(value(json, "layers"), 0);
    has_keys(first, "name type output parameters macs");
    assert_int_equal(json_integer_value(json_array_get(value(first, "output"), 1)), 55);
    json_decref(json);
    json = document("summary --arch torchvision --classes 7");
    assert_string_equal(json_string_value(value(json, "arch")), "torchvision");
    json_decref(json);

    const outcome *got = alexnet("summary");
    assert_string_equal(got->err, "");
    assert_non_null(strstr(got->out, "62,378,344"));
    assert_non_null(strstr(got->out, "96 * (3*11*11) + 96 = 34,944"));
    assert_non_null(strstr(got->out, "(227 + 2*0 - 11) / 4 + 1 = 55"));
    assert_non_null(strstr(got->out, "(227 + 2*2 - 11) / 4 + 1 = 56"));
    assert_null(strstr(alexnet("summary --arch caffenet")->out, "55 or 56"));
    assert_non_null(strstr(alexnet("summary --weights w.safetensors")->out, "input 67 x 67"));
    expect(2, "leave out --classes", "summary --weights w.safetensors --classes 3");
}

static void test_bench(void **state) {
    (void)state;
    json_t *json = document("bench infer --batch 1 --device reference --threads 1 --input-size %d "
                            "--classes %d --progress none --deterministic",
                            input_size, classes);
    has_keys(json, "images_per_second milliseconds batch threads precision device arch "
                   "peak_memory planned_memory");
    assert_string_equal(json_string_value(value(json, "device")), "reference");
    assert_true(json_is_true(value(json, "deterministic")));
    assert_true(json_number_value(value(json, "milliseconds")) > 0);
    json_decref(json);
}

/* What the cpu backend, where it is in the build, says about the machine. */
static void test_bench_peak(void **state) {
    (void)state;
    const char *rows[] = {"fp32", "bf16", "int8", "read", "copy"};
    expect(1, "not known", "bench peak --device reference");
    if (alexnet("bench peak --device cpu")->code != 0)
        skip();
    json_t *json = document("bench peak --device cpu --threads 1");
    has_keys(json, "what device threads fp32 bf16 int8 read copy");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        has_keys(value(json, rows[i]), "rate unit instructions");
    assert_true(json_number_value(value(value(json, "fp32"), "rate")) > 0);
    json_decref(json);
    json = document("bench infer --device cpu --batch 1 --threads 1 --input-size %d --classes %d "
                    "--progress none --layers",
                    input_size, classes);
    has_keys(json, "floor_milliseconds share_of_floor peak_gflops read_gb_per_second");
    has_keys(value(json_array_get(value(json, "layers"), 4), "forward"),
             "milliseconds gflops share_of_peak share_of_floor");
    json_decref(json);
}

/* Bare decoding has a figure only where there are files to decode. */
static void test_bench_loader(void **state) {
    (void)state;
    json_t *json =
        document("bench loader --data pictures-two --batch 2 --workers 1 --input-size %d "
                 "--crop resized --noise 0.1 --progress none",
                 input_size);
    has_keys(json,
             "images_per_second milliseconds cpu_milliseconds batch threads arch peak_memory");
    has_keys(value(json, "bare_decoding"), "images_per_second cpu_milliseconds share_reached");
    assert_true(json_number_value(value(json, "cpu_milliseconds")) > 0);
    json_decref(json);
    json = document("bench loader --data shapes:20 --batch 2 --workers 2 --input-size %d "
                    "--progress none",
                    input_size);
    assert_true(json_is_null(value(json, "bare_decoding")));
    json_decref(json);
    expect(2, "random", "bench loader --crop somewhere");
    expect(2, "noise", "bench loader --noise -1");
    expect(1, "nowhere", "bench loader --data nowhere");
}

/* Each layer with its passes, whose times fit into the step's. */
static void test_bench_layers(void **state) {
    (void)state;
    json_t *json = document("bench train --batch 2 --device reference --threads 1 --input-size %d "
                            "--classes %d --progress none --layers",
                            input_size, classes);
    json_t *layers = value(json, "layers");
    assert_int_equal(json_array_size(layers), 22);
    double sum = 0;
    for (size_t l = 0; l < json_array_size(layers); l++)
        sum += json_number_value(value(json_array_get(layers, l), "milliseconds"));
    const double step = json_number_value(value(json, "milliseconds"));
    assert_true(sum > 0.5 * step && sum < 1.5 * step);
    json_t *second = json_array_get(layers, 4);
    assert_string_equal(json_string_value(value(second, "name")), "conv2");
    has_keys(second, "macs forward update");
    has_keys(value(second, "input_gradient"), "milliseconds gflops");
    has_keys(value(second, "weight_gradient"), "milliseconds gflops");
    json_decref(json);

    const outcome *got = alexnet("bench infer --batch 1 --device reference --threads 1 "
                                 "--input-size 67 --classes 10 --progress none --layers");
    assert_non_null(strstr(got->out, "\nconv2 "));
    assert_null(strstr(got->out, "gradient"));
}

static void test_classify(void **state) {
    (void)state;
    json_t *json = document("classify --weights w.safetensors --top 3 --logits pictures/a.ppm");
    json_t *entry = json_array_get(json, 0);
    has_keys(entry, "file top logits");
    assert_int_equal(json_array_size(json), 1);
    assert_int_equal(json_array_size(value(entry, "top")), 3);
    assert_int_equal(json_array_size(value(entry, "logits")), classes);
    has_keys(json_array_get(value(entry, "top"), 0), "index label probability");
    double sum = 0;
    json_decref(json);

    json = document("classify --weights w.safetensors --top 50 pictures/a.ppm");
    json_t *top = value(json_array_get(json, 0), "top");
    assert_int_equal(json_array_size(top), classes);
    for (size_t i = 0; i < classes; i++)
        sum += json_number_value(value(json_array_get(top, i), "probability"));
    assert_true(fabs(sum - 1) < 1e-5);
    json_decref(json);

    /* Plain text where there is no terminal: no colour, no bars. */
    assert_string_equal(alexnet("features --weights w.safetensors --out h.npy pictures/a.ppm")->out,
                        "fc7 of 1 picture to h.npy\n");
    const outcome *got = alexnet("classify --weights w.safetensors pictures/a.ppm");
    assert_int_equal(got->code, 0);
    assert_null(strchr(got->out, '\033'));
    assert_string_equal(got->err, "");
}

static void test_broken_pictures(void **state) {
    (void)state;
    const outcome *got = alexnet("classify --weights w.safetensors --json mixed missing.png");
    assert_int_equal(got->code, 1);
    assert_non_null(strstr(got->err, "text.jpg"));
    assert_non_null(strstr(got->err, "cut.ppm"));
    assert_non_null(strstr(got->err, "missing.png"));
    assert_non_null(strstr(got->err, "3 of 5 pictures"));
    json_t *json = json_loads(got->out, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json), 5); /* in the order of the files */
    has_keys(json_array_get(json, 0), "file top");
    assert_string_equal(json_string_value(value(json_array_get(json, 3), "file")),
                        "mixed/text.jpg");
    assert_non_null(
        strstr(json_string_value(value(json_array_get(json, 3), "error")), "mixed/text.jpg: "));
    assert_null(json_object_get(json_array_get(json, 3), "top"));
    assert_string_equal(json_string_value(value(json_array_get(json, 4), "file")), "missing.png");
    json_decref(json);
    expect(1, "alexnet classify: the picture could not be read\n",
           "classify --weights w.safetensors mixed/text.jpg");
    got = alexnet("features --weights w.safetensors --layer fc8 --out h.npy --json mixed");
    assert_int_equal(got->code, 1);
    assert_non_null(strstr(got->err, "alexnet features: mixed/text.jpg: "));
    assert_null(strstr(got->err, "alexnet: "));
    json = json_loads(got->out, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(value(json, "files")), 4);
    assert_int_equal(json_array_size(value(json, "failed")), 2);
    has_keys(json_array_get(value(json, "failed"), 0), "file error");
    json_decref(json);
}

/* A folder without pictures is named, and does not take the others along. */
static void test_empty_folder(void **state) {
    (void)state;
    expect(2, "empty: this folder holds no picture (", "classify --weights w.safetensors empty");
    expect(2, "holds no picture", "features --weights w.safetensors empty empty");
    const outcome *got = alexnet("classify --weights w.safetensors empty pictures/a.ppm");
    assert_int_equal(got->code, 1);
    assert_ptr_equal(strstr(got->out, "pictures/a.ppm\n"), got->out);
    assert_non_null(strstr(got->err, "alexnet classify: empty: this folder holds no picture ("));
    assert_non_null(strstr(got->err, "alexnet classify: 1 folder holds no picture\n"));
    expect(1, "1 of 2 pictures could not be read, and 1 folder holds none",
           "classify --weights w.safetensors empty pictures/a.ppm missing.png");
    got = alexnet("classify --weights w.safetensors --json empty pictures/a.ppm");
    json_t *json = json_loads(got->out, 0, NULL);
    assert_int_equal(json_array_size(json), 2);
    assert_string_equal(json_string_value(value(json_array_get(json, 1), "file")), "empty");
    has_keys(json_array_get(json, 1), "error");
    json_decref(json);
    expect(1, "alexnet features: 1 folder holds no picture\n",
           "features --weights w.safetensors --layer fc8 --out h.npy empty pictures");
}

/* What is in no format that is read, is no file, or has been seen: counted, or passed over. */
static void test_odd_folder(void **state) {
    (void)state;
    static const char *const line =
        "strange: 3 pictures of formats that are not read (2 .bmp, 1 .gif) are left out\n";
    char part[160];
    const outcome *got = alexnet("classify --weights w.safetensors --json strange");
    assert_int_equal(got->code, 0);
    snprintf(part, sizeof part, "alexnet classify: %s", line);
    assert_string_equal(got->err, part);
    json_t *json = json_loads(got->out, 0, NULL);
    assert_int_equal(json_array_size(json), 1);
    json_decref(json);
    json = document("features --weights w.safetensors --layer fc8 --out h.npy strange");
    assert_int_equal(json_array_size(value(json, "files")), 1);
    json_decref(json);
    expect(2,
           "strange/left: this folder holds no picture (" AN_IMAGE_NAMES
           "), only 1 picture of a format that is not read (1 .bmp)\n",
           "classify --weights w.safetensors strange/left");
}

static void test_wrong_weights(void **state) {
    (void)state;
    expect(1, "torchvision", "classify --arch torchvision --weights w.safetensors pictures");
    expect(1, "pictures/a.ppm", "classify --weights pictures/a.ppm pictures");
    write_text("nothing.safetensors", "");
    expect(1, "nothing.safetensors: is empty (0 bytes)",
           "classify --weights nothing.safetensors pictures");
    expect(1, "10 classes apart", "eval --weights w.safetensors pictures-two");
}

static size_t size_of(const char *path) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return (size_t)about.st_size;
}

/* The logits of a picture; freed with json_decref. */
static json_t *logits_of(const char *arguments) {
    json_t *json = document("classify --logits pictures/a.ppm %s", arguments);
    json_t *logits = json_incref(value(json_array_get(json, 0), "logits"));
    json_decref(json);
    return logits;
}

/* The distance of two lists of logits by the length of the first. */
static double distance(const json_t *a, const json_t *b) {
    double apart = 0, length = 0;
    for (size_t i = 0; i < classes; i++) {
        const double x = json_number_value(json_array_get(a, i));
        apart += pow(x - json_number_value(json_array_get(b, i)), 2);
        length += x * x;
    }
    return sqrt(apart / length);
}

static void test_convert(void **state) {
    (void)state;
    json_t *json = document("convert w.safetensors half.safetensors --precision bf16");
    has_keys(json, "tensors parameters bytes precision");
    assert_int_equal(json_integer_value(value(json, "tensors")), 16);
    json_decref(json);
    json = document("convert w.safetensors quarter.safetensors --precision int8 --calibrate "
                    "shapes:40 --calibrate-images 10");
    assert_int_equal(json_integer_value(value(json, "tensors")), 32);
    assert_int_equal(json_integer_value(value(json, "calibrated_on")), 10);
    json_decref(json);
    const double whole = (double)size_of("w.safetensors");
    assert_true((double)size_of("half.safetensors") < 0.505 * whole);
    assert_true((double)size_of("quarter.safetensors") < 0.255 * whole);

    /* Whatever is stored, every precision computes with it; eight bits are right to 2 %. */
    json_t *exact = logits_of("--weights w.safetensors");
    static const struct {
        const char *arguments;
        double tolerance;
    } cases[] = {
        {"--weights half.safetensors", 0.01},
        {"--weights half.safetensors --precision bf16", 0.02},
        {"--weights quarter.safetensors", 0.03},
        {"--weights quarter.safetensors --precision bf16", 0.04}, /* the errors of both */
        {"--weights quarter.safetensors --precision int8", 0.05},
        {"--weights w.safetensors --precision int8", 0.05}, /* without ranges */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *found = logits_of(cases[i].arguments);
        if (!(distance(exact, found) < cases[i].tolerance))
            fail_msg("%s: %g", cases[i].arguments, distance(exact, found));
        json_decref(found);
    }
    json_decref(exact);

    /* What was quantised once keeps its bytes and its ranges, through float32 too. */
    alexnet("convert quarter.safetensors back.safetensors");
    alexnet("convert back.safetensors again.safetensors --precision int8");
    char *first = read_text("quarter.safetensors"), *second = read_text("again.safetensors");
    assert_int_equal(size_of("quarter.safetensors"), size_of("again.safetensors"));
    assert_memory_equal(first, second, size_of("again.safetensors"));
    free(first);
    free(second);

    expect(2, "needs --calibrate DATA", "convert w.safetensors x.safetensors --precision int8");
    expect(1, "no such file", "convert missing.safetensors x.safetensors");
    expect(1, "nowhere",
           "convert w.safetensors x.safetensors --precision int8 --calibrate nowhere");
    assert_false(an_is_file("x.safetensors"));
}

/* Where the processor lacks the instructions one line says so, and float32 is computed. */
static void test_fallback(void **state) {
    (void)state;
    json_t *exact = logits_of("--weights w.safetensors");
    setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
    setenv("CUDA_VISIBLE_DEVICES", "", 1); /* a GPU may have the instructions */
    const outcome *got =
        alexnet("eval --weights w.safetensors --weights w.safetensors --limit 4 shapes:40 "
                "--precision bf16 --progress none");
    const char *line = strstr(got->err, "no instructions for bfloat16");
    assert_int_equal(got->code, 0);
    assert_non_null(line);
    assert_null(strstr(line + 1, "no instructions")); /* once for both networks */
    json_t *found = logits_of("--weights w.safetensors --precision int8");
    assert_true(distance(exact, found) < 1e-5);
    json_decref(found);
    json_decref(exact);
    json_t *json = document("bench infer --batch 1 --threads 1 --input-size %d --classes %d "
                            "--precision int8 --progress none",
                            input_size, classes);
    assert_string_equal(json_string_value(value(json, "precision")), "fp32");
    json_decref(json);
    got = alexnet("train shapes:20 --input-size %d --epochs 1 --batch 8 --precision bf16 --out run "
                  "--progress none",
                  input_size);
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "no instructions for bfloat16"));
    got = alexnet("bench infer --batch 1 --threads 1 --input-size %d --classes %d --precision fp16 "
                  "--progress none",
                  input_size, classes);
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "float16 is computed on GPUs only; computing in float32"));
    expect(2, "fp32|tf32|bf16|fp16|int8", "bench infer --precision fp8");
    expect(2, "fp32|bf16|int8", "convert w.safetensors x.safetensors --precision fp16");
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("ONEDNN_MAX_CPU_ISA");
}

static void test_eval(void **state) {
    (void)state;
    json_t *json = document("eval --weights w.safetensors --limit 8 --batch 4 shapes:40");
    has_keys(json, "images top1 top5 loss images_per_second");
    assert_int_equal(json_integer_value(value(json, "images")), 8);
    const double top1 = json_number_value(value(json, "top1"));
    assert_true(top1 >= 0 && top1 <= json_number_value(value(json, "top5")));
    assert_true(json_number_value(value(json, "loss")) > 0);
    json_decref(json);
}

static void test_votes(void **state) {
    (void)state;
    json_t *json =
        document("eval --weights w.safetensors --weights w.safetensors --views 10 --limit 1 ten");
    assert_int_equal(json_integer_value(value(json, "images")), 1);
    json_decref(json);
    expect(2, "it must be one of 1|10", "eval --weights w.safetensors --views 2 shapes:40");
}

static void test_features_and_forward(void **state) {
    (void)state;
    json_t *json = document("features --weights w.safetensors --out f.npy pictures");
    has_keys(json, "layer shape files");
    assert_string_equal(json_string_value(value(json, "layer")), "fc7");
    assert_int_equal(json_integer_value(json_array_get(value(json, "shape"), 1)), 4096);
    json_decref(json);
    an_npy npy;
    assert_ok(an_npy_open("f.npy", &npy, error));
    assert_int_equal(npy.dims, 2);
    assert_int_equal(npy.shape[0], 2);
    an_npy_close(&npy);

    expect(2, "needs --weights", "features pictures");
    expect(2, "conv9", "features --weights w.safetensors --layer conv9 pictures");
    expect(1, "their rows are NaN",
           "features --weights w.safetensors --layer fc8 --out g.npy mixed");
    assert_ok(an_npy_open("g.npy", &npy, error));
    assert_int_equal(npy.shape[0], 4);
    int broken = 0;
    for (int i = 0; i < 4; i++)
        broken += isnan(npy.values[i * classes]) != 0;
    assert_int_equal(broken, 2);
    an_npy_close(&npy);

    /* Three images in batches of two, to the logits and to maps. */
    const int64_t shape[4] = {3, 3, input_size, input_size};
    float *values = calloc(3 * 3 * input_size * input_size, sizeof *values);
    assert_non_null(values);
    an_writer writer;
    assert_ok(an_npy_begin(&writer, "in.npy", shape, 4, error));
    assert_ok(
        an_writer_write(&writer, values, sizeof *values * 3 * 3 * input_size * input_size, error));
    assert_ok(an_writer_commit(&writer, error));
    free(values);
    json = document("forward --weights w.safetensors --batch 2 in.npy out.npy");
    has_keys(json, "layer shape");
    json_decref(json);
    assert_ok(an_npy_open("out.npy", &npy, error));
    assert_int_equal(npy.count, 3 * classes);
    for (int i = 0; i < classes; i++) /* the same image, whichever batch it was in */
        assert_true(npy.values[i] == npy.values[classes + i] ||
                    fabsf(npy.values[i] - npy.values[2 * classes + i]) < 1e-5f);
    an_npy_close(&npy);
    json = document("forward --weights w.safetensors --layer conv5 in.npy out.npy");
    assert_int_equal(json_array_size(value(json, "shape")), 4);
    json_decref(json);
    json = document("forward --classes 5 --arch alexnet-code in.npy out.npy");
    json_decref(json);
    expect(2, "conv9", "forward --weights w.safetensors --layer conv9 in.npy out.npy");
    expect(2, "over what is read from it", "forward --weights w.safetensors in.npy ./in.npy");
    expect(1, "not a .npy", "forward --weights w.safetensors pictures/a.ppm out.npy");
    expect(1, "N x 3 x H x H", "forward --weights w.safetensors f.npy out.npy");
}

static void test_inspect(void **state) {
    (void)state;
#ifdef AN_WITH_CAIRO
    json_t *json = document("inspect filters --weights w.safetensors --out drawn");
    assert_int_equal(json_array_size(value(json, "files")), 1);
    assert_true(an_is_file(json_string_value(json_array_get(value(json, "files"), 0))));
    json_decref(json);
    json = document("inspect activations pictures/a.ppm --weights w.safetensors --out drawn");
    assert_int_equal(json_array_size(value(json, "files")), 20); /* the layers but dropout */
    json_decref(json);
    json = document("inspect saliency pictures/a.ppm --weights w.safetensors --format svg");
    assert_true(an_is_file("inspect/saliency.svg"));
    json_decref(json);
#endif
    expect(2, "classes 0 to 9",
           "inspect saliency pictures/a.ppm --weights w.safetensors --class 10");
    expect(2, "needs an IMAGE", "inspect activations --weights w.safetensors");
    expect(2, "cannot be drawn", "inspect nothing");
    expect(1, "metrics.jsonl", "inspect curves empty");
}

static int set_up(void **state) {
    (void)state;
    enter_folder();
    write_weights("w.safetensors", input_size, classes);
    static const char *const folders[] = {"pictures",       "mixed/sub",      "empty",
                                          "pictures-two/a", "pictures-two/b", "strange/left"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_ok(an_make_folder(folders[i], error));
    write_picture("pictures/a.ppm", 90, 70);
    write_picture("pictures/b.ppm", 60, 80);
    write_picture("pictures-two/a/1.ppm", 60, 80);
    write_picture("pictures-two/b/1.ppm", 60, 80);
    for (int i = 0; i < classes; i++) {
        char path[32];
        snprintf(path, sizeof path, "ten/%d", i);
        assert_ok(an_make_folder(path, error));
        snprintf(path, sizeof path, "ten/%d/1.ppm", i);
        write_picture(path, 60 + i, 80);
    }
    write_picture("mixed/a.ppm", 60, 80);
    write_picture("mixed/sub/z.ppm", 60, 80);
    write_text("mixed/text.jpg", "this is no picture\n");
    write_text("mixed/cut.ppm", "P6\n100 100\n255\nabc");
    write_text("mixed/notes.txt", "passed over\n");
    write_picture("strange/a.ppm", 60, 80);
    write_text("strange/b.bmp", "BM");
    write_text("strange/c.GIF", "GIF89a");
    write_text("strange/left/d.bmp", "BM");
    assert_int_equal(symlink(".", "strange/up"), 0);
    assert_int_equal(mkfifo("strange/pipe.jpg", 0600), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    leave_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_bench),
        cmocka_unit_test(test_bench_loader),
        cmocka_unit_test(test_bench_layers),
        cmocka_unit_test(test_bench_peak),
        cmocka_unit_test(test_classify),
        cmocka_unit_test(test_broken_pictures),
        cmocka_unit_test(test_empty_folder),
        cmocka_unit_test(test_odd_folder),
        cmocka_unit_test(test_wrong_weights),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_votes),
        cmocka_unit_test(test_features_and_forward),
        cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
