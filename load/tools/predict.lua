-- Script for wrk: POST /predict_delay, cycling through the payloads of a file, one per line.
--
--   wrk ... -s predict.lua URL -- FILE [PATH] [count|close]
--
-- All requests are built before the run, and each thread begins at another place of the file. At
-- the end the script prints RESULT and one line of JSON. With "count", answers are counted by
-- status: this slows the load generator down, so use it to look for errors and not to measure
-- speed. Without it wrk still counts answers above 399.
-- With "close", each request has a connection of its own.

local threads = {}

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

local function read_requests(file, path, close)
   local headers = { ["Content-Type"] = "application/json" }
   if close then
      headers["Connection"] = "close"
   end
   local requests = {}
   for body in io.lines(file) do
      requests[#requests + 1] = wrk.format("POST", path, headers, body)
   end
   return requests
end

local function count_status(status)
   statuses[status] = (statuses[status] or 0) + 1
end

function init(args)
   local requests = read_requests(args[1], args[2] or "/predict_delay", args[3] == "close")
   local count = #requests
   local position = (number * 7919) % count
   function request()
      position = position % count + 1
      return requests[position]
   end
   statuses = {}
   if args[3] == "count" then
      response = count_status
   end
   -- a garbage collection would pause the load generator for a tenth of a second, which would
   -- count as latency of the service; the run itself allocates little
   collectgarbage("collect")
   collectgarbage("stop")
end

local PERCENTILES = { p50 = 50, p75 = 75, p90 = 90, p99 = 99, p999 = 99.9 }

local function object(pairs_of)
   local members = {}
   for name, value in pairs(pairs_of) do
      members[#members + 1] = string.format('"%s":%.15g', name, value)
   end
   return "{" .. table.concat(members, ",") .. "}"
end

function done(summary, latency, _)
   local milliseconds = { mean = latency.mean / 1000, max = latency.max / 1000 }
   for name, percentile in pairs(PERCENTILES) do
      milliseconds[name] = latency:percentile(percentile) / 1000
   end
   local counted = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("statuses")) do
         counted[status] = (counted[status] or 0) + count
      end
   end
   io.write(string.format(
      'RESULT {"requests":%d,"seconds":%.6f,"bytes":%d,"latency_ms":%s,"errors":%s,"statuses":%s}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      object(milliseconds), object(summary.errors), object(counted)))
end
