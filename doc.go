// Package orlop is a small library for OCI registries: to push files as
// artifacts, to pull them, to attach signatures and other documents to what is
// there, and to copy all that from one place to another.
//
// # Registries
//
// Everything goes by one interface, [Registry]: repositories that hold blobs
// (content, known by its digest), manifests (documents that refer to blobs and
// to other manifests), and tags (names of manifests). These are registries:
//
//   - package remote: one that speaks the distribution specification over
//     HTTP; remote/auth answers its challenges
//   - package layout: an OCI image layout, a directory or a tar file
//   - package memory: one in memory, for tests
//
// Most functions ask for a part of it only: a [Reader], [Writer], [Deleter],
// [Lister], or a [Target], which is a Reader and a Writer. Whoever writes a
// registry finds what is promised of each method in its comment, and a suite of
// tests for that in package registrytest. Package ref reads references such as
// registry.example/app:1.0.
//
// # Operations
//
//   - push: PushBlob for each file, then [Pack] makes the manifest and
//     PushManifest stores it, with its tags; see the example of Pack
//   - pull: Manifest and [ParseManifest] tell what there is, OpenBlob reads it;
//     see the example of ParseManifest
//   - attach: Pack with a Subject; Referrers lists what refers to a manifest,
//     [WalkReferrers] what refers to that too
//   - copy: [Copy] copies a manifest with all that it refers to, blobs first, so
//     that the destination never has one without its parts
//
// # Errors
//
// Errors are values of the distribution specification, wherever they come
// from: errors.Is(err, orlop.ErrManifestUnknown) holds for a registry that
// answered 404 and for a layout without the file. A [CopyError] also tells the
// side.
//
// # What can be relied on
//
// What is read is checked against its digest, and what does not match is never
// given out whole. Memory is bounded whatever a registry says of sizes, counts
// and depths. Every method can be called concurrently and ends with its context.
// The library prints nothing and depends on the standard library, the OCI image
// types, go-digest and x/sync only.
package orlop
