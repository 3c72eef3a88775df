// Package orlop is a small library for OCI registries: one interface, Registry,
// that a remote registry, an OCI image layout, a store in memory and Orlop's
// own server all meet, and the operations built on it: Copy a graph of
// manifests and blobs, Pack files into an artifact, walk Referrers.
//
//   - ref parses and prints references such as example.com/app:1.0
//   - remote speaks to a registry over HTTP; remote/auth answers its challenges
//   - layout reads and writes an OCI image layout, a directory or a tar file
//   - memory keeps everything in memory, for tests
//   - registrytest is the suite that every Registry passes
//
// The library prints nothing and depends on the standard library, the OCI
// image types, go-digest and x/sync only.
package orlop
