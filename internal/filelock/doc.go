// Package filelock locks open files against other processes, by the lock of
// the system that ends with the process, however that ends. Package credential
// and package state lock what they write by it.
package filelock
