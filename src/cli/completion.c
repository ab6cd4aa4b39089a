/* alexnet completion bash|zsh: the shells' completion, from the commands' tables. */
#include <string.h>

#include "cli/command.h"

/* Calls `row` for each option of a command, its own first. */
static void each_option(const an_command *command, void (*row)(const an_option *option)) {
    for (const an_option *option = command->options; option && option->name; option++)
        row(option);
    for (const an_option *option = an_common_options; option->name; option++)
        if (an_option_find(command->options, option->name) == option &&
            !an_option_is_among(option, command->idle))
            row(option);
}

static bool takes_value(const an_option *option) {
    return option->type != AN_OPTION_FLAG && option->type != AN_OPTION_OFF;
}

static void print_words(const char *words) {
    for (; *words; words++)
        putchar(*words == '|' ? ' ' : *words);
}

static void bash_name(const an_option *option) {
    printf(" --%s", option->name);
}

static void bash_choices(const an_option *option) {
    char text[512];
    const char *choices = an_option_choices(option, text, sizeof text);
    if (!choices)
        return;
    printf("        *' --%s') words='", option->name);
    print_words(choices);
    printf("' ;;\n");
}

/* What the first argument may be, where that is one of a few words: up to the end or what follows a
 * word in `arguments`. */
static void print_first_words(const char *arguments) {
    if (!strchr(arguments, '|'))
        return;
    for (const char *word = arguments; word; word = strchr(word, '|')) {
        word += *word == '|';
        printf("%.*s ", (int)strcspn(word, "| "), word);
    }
}

static void print_bash(void) {
    printf(
        "# bash completion for alexnet; made by `alexnet completion bash`\n"
        "_alexnet() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=''\n"
        "    case \"${COMP_WORDS[1]} $before\" in\n");
    for (const an_command *const *command = an_commands; *command; command++) {
        printf("    '%s '*)\n        case \" $before\" in\n", (*command)->name);
        each_option(*command, bash_choices);
        printf("        *) [[ $word != -* ]] || words='");
        each_option(*command, bash_name);
        printf("'\n           [[ $word = -* || $COMP_CWORD != 2 ]] || words='");
        print_first_words((*command)->arguments);
        printf("' ;;\n        esac ;;\n");
    }
    printf("    *) words='--help --version");
    for (const an_command *const *command = an_commands; *command; command++)
        printf(" %s", (*command)->name);
    printf("' ;;\n    esac\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "}\n"
           "complete -o default -F _alexnet alexnet\n");
}

/* Inside zsh's '...[help]:value:action' these would end a part of it. */
static void print_zsh_text(const char *text) {
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        if (*text == '\'')
            printf("'\\'");
        putchar(*text);
    }
}

static void zsh_option(const an_option *option) {
    char text[512];
    const char *choices = an_option_choices(option, text, sizeof text);
    printf(" \\\n            '%s--%s%s[", option->type == AN_OPTION_LIST ? "*" : "", option->name,
           takes_value(option) ? "=" : "");
    print_zsh_text(option->help);
    putchar(']');
    if (takes_value(option)) {
        printf(":%s:", option->value);
        if (choices) {
            putchar('(');
            print_words(choices);
            putchar(')');
        } else if (option->type == AN_OPTION_TEXT || option->type == AN_OPTION_LIST) {
            printf("_files");
        }
    }
    putchar('\'');
}

static void print_zsh(void) {
    printf("#compdef alexnet\n# zsh completion for alexnet; made by `alexnet completion zsh`\n"
           "_alexnet() {\n    local -a commands=(");
    for (const an_command *const *command = an_commands; *command; command++) {
        printf("\n        '%s:", (*command)->name);
        print_zsh_text((*command)->title);
        putchar('\'');
    }
    printf(")\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
           "        return\n    fi\n    case $words[2] in\n");
    for (const an_command *const *command = an_commands; *command; command++) {
        printf("    %s)\n        _arguments", (*command)->name);
        each_option(*command, zsh_option);
        if (strchr((*command)->arguments, '|')) {
            printf(" \\\n            '1:what:(");
            print_first_words((*command)->arguments);
            printf(")'");
        }
        printf(" \\\n            '*:argument:_files' ;;\n");
    }
    printf("    esac\n}\n_alexnet \"$@\"\n");
}

static alexnet_status run(void *settings, char **arguments, int count, alexnet_error *error) {
    (void)settings;
    (void)count;
    if (strcmp(arguments[0], "bash") == 0)
        print_bash();
    else if (strcmp(arguments[0], "zsh") == 0)
        print_zsh();
    else
        return an_fail(error, ALEXNET_INVALID, "there is completion for bash and zsh, not '%s'",
                       arguments[0]);
    return ALEXNET_OK;
}

const an_command an_command_completion = {
    .name = "completion",
    .arguments = "bash|zsh",
    .least = 1,
    .most = 1,
    .title = "print the completion script for a shell",
    .text = "Prints what makes a shell complete this command's options and their values.",
    .examples = "  source <(alexnet completion bash)",
    .idle = "arch|weights|device|precision|batch|threads|seed|json|progress",
    .size = sizeof(an_common),
    .run = run,
};
