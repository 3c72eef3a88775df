// Package files makes files on disk one end of a copy: a Source reads what a
// push sends, a Target writes what a pull receives.
//
// Both keep to the conventions of ORAS: a layer's title annotation is the name
// of the file, a directory is a compressed tar with two annotations. Names and
// archives come from strangers, so a Target reaches the disk through an os.Root
// only, verifies every byte before a file gets its name, and never gives up a
// good file for a broken one.
//
// Beside a file that is being written there is another of our own: a temporary
// file of a random name, which the next pull removes if it is left, or for a
// large blob a partial file of a name that the next pull finds, to go on with.
// Both are locked while they are in use.
package files
