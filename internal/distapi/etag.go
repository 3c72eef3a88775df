package distapi

import "strings"

// matchesETag tells whether an If-Match or If-None-Match header holds "*" or the entity tag
// of the digest. Entity tags of ours are the quoted digest, and a digest holds
// neither comma nor quote, so that splitting at commas is enough.
func matchesETag(values []string, dgst string) bool {
	for _, v := range values {
		for tag := range strings.SplitSeq(v, ",") {
			tag = strings.TrimPrefix(strings.Trim(tag, " \t"), "W/")
			if tag == "*" || isETag(tag, dgst) {
				return true
			}
		}
	}
	return false
}

// isETag tells whether an entity tag is that of the digest.
func isETag(tag, dgst string) bool {
	return len(tag) == len(dgst)+2 && tag[0] == '"' && tag[len(tag)-1] == '"' && tag[1:len(tag)-1] == dgst
}
