package ratelimit

// Prefix starts every key in Redis. Its number is raised when the form of a
// key or value changes, so that two releases never misread each other.
const Prefix = "dnw1:"

// Key is where a bucket lives in Redis, as
//
//	dnw1:{tag}:l:number_hour:<key>
//
// The value is the bucket's theoretical arrival time in microseconds, in
// decimal; the key expires when that is reached. Buckets with one tag share a
// slot of Redis Cluster, so that one script can spend them together.
func Key(prefix, tag string, name Name, key string) string {
	return prefix + "{" + tag + "}:l:" + string(name) + ":" + key
}

// spreadTag is the tag of a bucket that is spent alone: a few characters of a
// key that is a hash spread well over any cluster.
func spreadTag(key string) string { return key[:min(2, len(key))] }
