/* placeholder */
typedef int an_eval_empty;
