// Package registries reads what the containers tools (podman, skopeo, buildah)
// are told about registries, and does as they do: registries.conf
// (containers-registries.conf(5)), with mirrors, other locations, blocks and
// registries without trusted certificates; and the certificates of certs.d
// (containers-certs.d(5)).
//
// Names without a registry are not looked up: the client always wants one.
// Mirrors and other locations are for reading, as the containers tools have it;
// what is written goes to the registry that was named.
package registries
