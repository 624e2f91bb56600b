"""Performance capture: what a face does, heard from a device or read from a file, filtered, and put on a figure.

`frames` is what everything else speaks of: a frame of a face and a take of many. The modules of the protocols
(`live_link`, `ifacial_mocap`, `vmc` over `osc`) and of files (`live_link_csv`, `take_files`) only turn bytes into those
and back. `retarget` and `smoothing` make of a raw frame what a figure wears; `receiver` and `live` do it while a person
acts, `recording` afterwards, `hub` holds it all together for an interface, `simulator` plays the part of the device.
"""
