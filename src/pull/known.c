#include "pull/known.h"

#include <string.h>

/*
 * Where the figures are from. torchvision: its documentation of AlexNet_Weights.IMAGENET1K_V1. The
 * Caffe models: models/bvlc_alexnet/readme.md and models/bvlc_reference_caffenet/readme.md in
 * BVLC/caffe, which give SHA-1; SHA-256 and size as packagers have recorded them (OpenVINO's
 * open_model_zoo, Homebrew, Nixpkgs). The last two: the bytes in their repositories, at the commit
 * that the address names.
 */
const an_known an_knowns[] = {
    {.name = "torchvision",
     .title = "torchvision's AlexNet (IMAGENET1K_V1)",
     .file = "alexnet-owt-7be5be79.pth",
     .source = {.url = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
                .size = 244408911,
                .sha256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"},
     .licence = "BSD-3-Clause",
     .arch = "torchvision",
     .top1 = 0.56522,
     .top5 = 0.79066},
    {.name = "caffe-alexnet",
     .title = "BVLC's AlexNet for Caffe",
     .file = "bvlc_alexnet.caffemodel",
     .source = {.url = "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
                .size = 243862414,
                .sha256 = "4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0",
                .sha1 = "9116a64c0fbe4459d18f4bb6b56d647b63920377"},
     .licence = "unrestricted",
     .arch = "caffe-alexnet",
     .top1 = 0.571,
     .top5 = 0.802},
    {.name = "caffenet",
     .title = "BVLC's CaffeNet",
     .file = "bvlc_reference_caffenet.caffemodel",
     .source = {.url = "http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",
                .size = 243862418,
                .sha256 = "472d4a06035497b180636d8a82667129960371375bd10fcb6df5c6c7631f25e0",
                .sha1 = "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"},
     .licence = "unrestricted",
     .arch = "caffenet",
     .top1 = 0.574,
     .top5 = 0.804},
    {.name = "lpips-alex",
     .title = "LPIPS 0.1: the linear weights over AlexNet's layers",
     .file = "lpips-v0.1-alex.pth",
     .source = {.url = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
                       "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1/alex.pth",
                .size = 6009,
                .sha256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"},
     .licence = "BSD-2-Clause"},
    {.name = AN_KNOWN_CLASS_NAMES,
     .title = "the names of ImageNet's 1,000 classes",
     .file = "imagenet-classes.txt",
     .source = {.url = "https://raw.githubusercontent.com/pytorch/hub/"
                       "a6fc887fbbbda0dd37c440bf8a145f1da6707d6b/imagenet_classes.txt",
                .size = 10472,
                .sha256 = "1f386e0d1cb6e28b9c2dac651c3dea6801e98ad1b41a14ce6bb1a093d72069f5"}},
    {0}};

const an_known *an_known_find(const char *name) {
    for (const an_known *known = an_knowns; known->name; known++)
        if (strcmp(known->name, name) == 0)
            return known;
    return NULL;
}
