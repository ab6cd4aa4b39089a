/*
 * A network made by hand that knows three colours, and pictures to show it: `alexnet` for inputs of
 * 67 x 67, all weights zero but one path of ones for each channel. Its logits can be worked out.
 */
#ifndef AN_COLOURS_H
#define AN_COLOURS_H

#include <stdbool.h>

enum { COLOUR_CLASSES = 4, COLOUR_SIDE = 67 };

/* Writes the weights. Classes: "red", "green", "blue", and "nothing", whose logit is its bias. */
void write_colour_weights(const char *path, bool bgr, bool class_names);

/* What the three paths hold behind conv1, its ReLU and `norms` of the two normalisations. */
void colour_values(const int rgb[3], bool bgr, int norms, double value[3]);

/* The logits that the network must give for a picture of one colour (0 to 255 a channel). */
void colour_logits(const int rgb[3], bool bgr, double logits[COLOUR_CLASSES]);

/* A binary PPM of one colour. */
void write_colour_picture(const char *path, int width, int height, const int rgb[3]);

#endif
