// Package cli is the command line of orlop: one file per command, in the same
// shape each.
//
// A command is an options struct (flag groups embedded), a constructor that
// makes the cobra command from an Env, and a run function that does the work
// and takes its context, its environment and its options as arguments. To add
// a command, copy tag.go, add one line to root.go and one script to
// testdata/script.
//
// Nothing here exits, reads a global or prints around the Env. Errors are
// returned; report (errors.go) prints them and exitCode (exit.go) turns them
// into the exit code. What is written for people or machines goes through the
// package output.
package cli
