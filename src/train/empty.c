/* placeholder */
typedef int an_train_empty;
