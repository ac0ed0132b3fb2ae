"""Who may call: the file of keys, the policy that asks for them, and the command that makes one.

Nobody imports it unless --api_keys_file or --make_api_key is given.
"""
