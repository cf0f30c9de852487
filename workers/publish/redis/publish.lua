-- Adds events to a stream, each (id, revision) once, in order, in one step.
--
-- KEYS[1]    the stream
-- KEYS[1+i]  marker of event i; in a cluster it must lie in the stream's slot (same hash tag)
-- ARGV[1]    how long a marker lives, seconds; longer than an event can wait in an event log
-- ARGV[2]    about how many entries the stream keeps
-- ARGV[...]  for each event: the number of values that follow, then the entry's fields as name, value, name, value ...
--
-- Returns for each event {entry id, 1 if it was there already, else 0}.
--
-- XADD comes first and the marker second, so that an error (out of memory, say) leaves no marker without an entry.
-- An error ends the script: what was added before it has its marker, and a second try goes on behind it.

local replies = {}
local at = 3

for i = 2, #KEYS do
  local last = at + tonumber(ARGV[at])
  local entry = redis.call('GET', KEYS[i])
  if entry then
    replies[#replies + 1] = {entry, 1}
  else
    entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, at + 1, last))
    redis.call('SET', KEYS[i], entry, 'EX', ARGV[1])
    replies[#replies + 1] = {entry, 0}
  end
  at = last + 1
end

return replies
